"""Warm processes: a parent that has imported the libraries, and forked children for notebooks.

The parent runs in the interpreter of the notebook's kernelspec, which may not have this package.
All files but `client` and `executor` are loaded there by their path, under the name `_mlops_warm`.
They import relatively and need the standard library, IPython and ipykernel alone.
"""
