"""Who folds events into a view of their own: one file a technology."""
