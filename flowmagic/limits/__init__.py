"""Limits on how many instances run at once and start per minute; the refusals of providers.

This package may import `text` and `errors`.
"""
