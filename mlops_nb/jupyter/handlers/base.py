"""What the handlers of the panel share: the notebook that a request names, and errors as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.base.handlers import APIHandler

from mlops_nb.errors import MlopsError, Refused
from mlops_nb.jupyter.pipeline_request import BAD_REQUEST, notebook_at, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NOT_FOUND = 404


class PanelHandler(APIHandler):
    """A handler that answers JSON, and errors as {"error", "fix", "where"}."""

    root: Path  # the folder of the server's notebooks

    def notebook(self, path: object) -> Path:
        """Return the file of a notebook. Raises Refused for one that the server must not use."""
        hidden = bool(self.contents_manager.allow_hidden)
        found = notebook_at(path, root=self.root, allow_hidden=hidden)
        if not found.parent.is_dir():
            raise Refused("the folder of this notebook is not there", fix="save the notebook")
        return found

    def body(self) -> Mapping[str, Any]:
        """Return the JSON object of a request. Raises Refused if there is none."""
        try:
            read = json.loads(self.request.body)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise Refused("the body is not a JSON object", fix="reload the page")
        return read

    def refuse(self, error: MlopsError, status: int = BAD_REQUEST) -> None:
        """Answer with an error."""
        self.set_status(status)
        self.finish(json.dumps(refusal(error, root=self.root)))
