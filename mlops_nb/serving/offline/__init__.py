"""Answers without a server: rows of files, labelled rows again, and a few that a person types."""
