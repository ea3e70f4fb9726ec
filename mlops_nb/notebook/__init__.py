"""What a notebook is: cells, the names they touch, the graph they form. Pure."""
