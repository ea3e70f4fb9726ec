"""Reuse: which results of earlier runs are up to date, and why others are not."""
