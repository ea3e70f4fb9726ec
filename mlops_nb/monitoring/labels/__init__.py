"""Labels that come after the predictions: read, kept, and joined with them."""
