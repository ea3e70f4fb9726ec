"""The demo's door: six months of real flights, a job that retrains itself, and a report."""

from mlops_nb.demo.story import play

__all__ = ["play"]
