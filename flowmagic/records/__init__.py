"""What is known of the instances: the batch, columns of facts, traces, and views of them.

It may import `text` and `errors`.
"""
