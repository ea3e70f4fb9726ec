"""The doors: magics, widgets, command line, Jupyter server; each calls only project."""
