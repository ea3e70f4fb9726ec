"""Data: contracts of frames, profiles of columns, drift."""
