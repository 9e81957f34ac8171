"""Where an instance runs: in this event loop, or on a Dask cluster.

It may import `flow`, `shared`, `limits`, `records`, `text` and `errors`.
"""
