"""The user's PocketFlow graph: reading it, walking one instance through it, checking it.

It may import `limits`, `records`, `text` and `errors`.
"""
