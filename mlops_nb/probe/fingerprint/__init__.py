"""Fingerprints: digests of values by their content."""
