"""Watches the live model: its metrics from late labels, and how its columns move."""
