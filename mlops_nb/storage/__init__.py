"""Storage: the journal of events and the store of artifacts."""
