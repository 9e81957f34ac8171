"""The notebook wing: turns cells into calls of the core, and records into pixels."""
