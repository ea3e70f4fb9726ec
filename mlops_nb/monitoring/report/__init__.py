"""Shows what a watch found: as JSON and text, as a page, and as images for the panel."""
