"""Answers requests with a model: the same code proves a package in a kernel and serves it."""
