"""Handlers of the Jupyter server, one file for each route."""
