"""Where artifacts and events are kept: one file a technology."""
