"""Runs and sweeps: their history, their start, their end."""
