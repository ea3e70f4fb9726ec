"""Pools: where the points of a sweep run, one file a technology."""
