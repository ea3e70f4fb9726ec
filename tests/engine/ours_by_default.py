"""A pytest plug-in: papermill runs notebooks through our engine where its tests name none."""

from papermill.engines import papermill_engines

from mlops_nb.engine.papermill_plugin import Engine


def pytest_configure() -> None:
    """Put our engine in the place of the default one."""
    papermill_engines.register(None, Engine)
