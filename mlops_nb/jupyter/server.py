"""The extension of the Jupyter server: routes under /mlops-nb/api that the panel calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def load(server_app: ServerApp) -> None:
    """Add the panel's routes to a running Jupyter server."""
    from jupyter_server.utils import url_path_join  # kernels import this package too

    from mlops_nb.jupyter.graph_process import GraphProcess
    from mlops_nb.jupyter.handlers.graph import GraphHandler, GraphReader, root_of

    web_app = server_app.web_app
    route = url_path_join(web_app.settings["base_url"], "mlops-nb", "api", "graph")
    reader = GraphReader(GraphProcess(root_of(server_app.contents_manager)))
    web_app.add_handlers(".*$", [(route, GraphHandler, {"reader": reader})])
    server_app.log.info("mlops-nb: the pipeline panel is served under %s", route)
