"""Reuse: which results of earlier runs still hold, and why others do not."""
