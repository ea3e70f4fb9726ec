"""Handlers of the Jupyter server, one file a subject."""
