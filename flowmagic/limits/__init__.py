"""How many instances run at once and how many start a minute; what counts as a refusal.

It may import `text` and `errors`.
"""
