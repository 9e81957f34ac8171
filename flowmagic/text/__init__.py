"""Text for people: values and errors of the user, formatted for a screen, with secrets masked.

It may import `errors`.
"""
