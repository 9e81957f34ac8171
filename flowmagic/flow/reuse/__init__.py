"""Reuse: takes the output of an exec from an earlier run where nothing has changed that it depends on.

`exec_code` finds what an exec can run and read, `exact` writes values as texts, `node_code` digests the
code of a node class, and `node_reuse` looks outputs up and hands new ones to a store.

It may import what `flow` may import.
"""
