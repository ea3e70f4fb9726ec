"""Lineage: what a value was made from, and how two runs differ."""
