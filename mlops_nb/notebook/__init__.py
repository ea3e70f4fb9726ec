"""Describes notebooks: cells, the names that they use, steps and the pipeline between them."""
