"""What flowmagic costs, measured against PocketFlow's own classes on the machine at hand.

`python -m benchmarks` lists the benchmarks; each prints a table with the command that makes it.
"""
