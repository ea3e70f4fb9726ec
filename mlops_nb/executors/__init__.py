"""Where notebooks are executed: one file a technology."""
