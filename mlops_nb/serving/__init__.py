"""Serves model packages: a front that speaks HTTP, and a process for each version."""
