"""The extension of the Jupyter server: routes under /mlops-nb/api that the panel calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from mlops_nb.jupyter.watcher import JournalWatcher


def load(server_app: ServerApp) -> None:
    """Add the panel's routes to a running Jupyter server."""
    from jupyter_server.utils import url_path_join  # kernels import this package too

    from mlops_nb.jupyter.commands import StartedCommands
    from mlops_nb.jupyter.handlers.commands import CommandsHandler
    from mlops_nb.jupyter.handlers.log import LogHandler
    from mlops_nb.jupyter.handlers.pipeline import PipelineHandler, PipelineReader, root_of
    from mlops_nb.jupyter.handlers.project import CopiesHandler, ProjectHandler
    from mlops_nb.jupyter.pipeline_process import PipelineProcess

    root = root_of(server_app.contents_manager)
    web_app = server_app.web_app
    base = url_path_join(web_app.settings["base_url"], "mlops-nb", "api")
    routes = [
        ("pipeline", PipelineHandler, {"reader": PipelineReader(PipelineProcess(root))}),
        ("project", ProjectHandler, {"root": root, "watcher": _watcher(server_app)}),
        ("copies", CopiesHandler, {"root": root}),
        ("log", LogHandler, {"root": root}),
        ("commands", CommandsHandler, {"root": root, "commands": StartedCommands()}),
    ]
    web_app.add_handlers(".*$", [(url_path_join(base, name), *rest) for name, *rest in routes])
    server_app.log.info("mlops-nb: the panel is served under %s", base)


def _watcher(server_app: ServerApp) -> JournalWatcher:
    """Return what tells browsers, by an event of the server, that a journal has grown."""
    from mlops_nb.jupyter.handlers.project import mark
    from mlops_nb.jupyter.watcher import EVENT, SCHEMA, JournalWatcher

    logger = server_app.event_logger
    logger.register_event_schema(EVENT)
    return JournalWatcher(mark, lambda data: logger.emit(schema_id=SCHEMA, data=data))
