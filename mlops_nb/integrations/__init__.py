"""Listeners that follow the journal: MLflow and OpenLineage."""
