"""Lineage: what a value was made of, how two runs differ."""
