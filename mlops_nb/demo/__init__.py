"""The demo: six months of real flights, a job that retrains itself, and a report."""

from mlops_nb.demo.story import run_demo

__all__ = ["run_demo"]
