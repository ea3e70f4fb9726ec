"""What runs inside a kernel, beside a notebook's own code: the standard library alone.

A kernel may live in an environment that has never heard of this package, so the folder is loaded
there by its path, under the name `_mlops_probe`; its files import each other relatively and
nothing else of ours, and look numpy, pandas and their like up only where they are loaded.
"""
