"""The answers of `%mlops` in a notebook; ipywidgets is imported with the first of them."""
