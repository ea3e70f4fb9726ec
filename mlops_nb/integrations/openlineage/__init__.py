"""OpenLineage: events and facets, written from the journal."""
