"""Observes what each cell reads, binds and changes."""
