"""Runs notebooks: tasks, engines, kernels, and the recorder that follows them."""
