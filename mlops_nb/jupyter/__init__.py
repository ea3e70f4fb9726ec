"""Jupyter: magics, widgets, and the routes that the sidebar calls."""
