"""One execution of a batch: its API, life cycle, scheduling, retries, limits in force and audit.

It may import everything but `notebook`, `throttled` and `testing`.
"""
