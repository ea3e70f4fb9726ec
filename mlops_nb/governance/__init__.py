"""Governance: retention of records, and removal of artifacts from the store."""
