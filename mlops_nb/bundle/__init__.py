"""What a promoted notebook is, as files: rendered from nouns. Pure."""
