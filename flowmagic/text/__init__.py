"""Text for people: formatting untrusted values and errors, and masking secrets in them.

It may import `errors`.
"""
