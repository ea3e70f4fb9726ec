"""Bundles: the files of a promoted notebook."""
