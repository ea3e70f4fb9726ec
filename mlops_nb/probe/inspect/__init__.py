"""Answers questions about values in a kernel: columns, metrics, predictions."""
