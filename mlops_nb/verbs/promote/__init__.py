"""Promote a notebook to a job: define it, cut it out, prove it, write its bundle."""
