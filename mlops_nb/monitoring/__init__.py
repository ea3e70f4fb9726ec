"""Monitoring: the health of jobs and models, and alerts."""
