"""What can be done with a notebook, a job or a model; adapters are arguments."""
