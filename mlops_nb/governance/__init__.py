"""Governance: how long records are kept, and what is removed from the store."""
