"""Warm processes: a parent that has the imports ready, and children that each run one notebook.

The parent runs in whatever interpreter a notebook's kernelspec names, which may never have heard
of this package; so all but `client` is loaded there by its path, under the name `_mlops_warm`,
imports relatively, and needs the standard library, IPython and ipykernel alone.
"""
