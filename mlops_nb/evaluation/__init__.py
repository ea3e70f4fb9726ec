"""Evaluation: metrics with intervals, slices, and gates."""
