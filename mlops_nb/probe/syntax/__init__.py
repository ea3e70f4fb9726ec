"""Reads the syntax of cells, statically or while they run."""
