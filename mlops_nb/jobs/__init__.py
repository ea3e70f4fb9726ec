"""Jobs: their definition, bundle, promotion, triggers and runs."""
