"""Reads the syntax of cells: names, calls, branches."""
