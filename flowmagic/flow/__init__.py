"""Reads the user's PocketFlow graph, walks one instance through it, and checks it before a run.

It may import `limits`, `records`, `text` and `errors`.
"""
