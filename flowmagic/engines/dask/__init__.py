"""The Dask engine: instances run on the workers of a cluster. Imported when it is first used.

It may import what `engines` may import.
"""
