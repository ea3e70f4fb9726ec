"""The Jupyter side: magics, what they show, and the routes that the sidebar calls."""
