"""The shared store as one instance sees it: tracked, isolated, or the user's own object.

It may import `limits`, `records`, `text` and `errors`.
"""
