"""Writes values to files and reads them back."""
