"""A notebook that is open: what ran in its kernel, which steps are stale, and their values."""
