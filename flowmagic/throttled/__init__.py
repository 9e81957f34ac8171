"""Nodes that throttle their own items: PocketFlow's AsyncParallelBatchNode, with a limit."""
