"""Triggers: one file for each kind of condition that makes a job run."""
