"""Models: versions, judgement, release, rollback."""
