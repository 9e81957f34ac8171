"""The shared store as one instance sees it: tracked, or isolated.

It may import `limits`, `records`, `text` and `errors`.
"""
