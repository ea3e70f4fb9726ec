"""MLflow: runs, models, lineage and sweeps, written from the journal."""
