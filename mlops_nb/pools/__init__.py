"""Where the points of a sweep run: one file a technology, each with `pool(workers) -> Executor`."""
