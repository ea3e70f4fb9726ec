"""Sensors: one file for each kind of trigger that a job may have besides its schedule."""
