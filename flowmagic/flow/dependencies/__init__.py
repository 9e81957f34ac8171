"""What the nodes of a flow depend on, by name: code, constants, attributes, installed packages.

`reader` follows the names that the nodes' code uses through the functions, classes and constants of
the notebook and the project, and gives each a digest. `running_code` and `syntax` read the code,
`values` writes values as text, and `packages` tells what is the project's.

It may import what `flow` may import.
"""
