"""Lineage: the sources of a value, and the differences of two runs."""
