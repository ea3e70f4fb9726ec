"""Promotion: from a notebook to a job, with the proof that both are equal."""
