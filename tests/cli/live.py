"""A kernel that a notebook belongs to, as JupyterLab starts one."""

import os
from pathlib import Path

from jupyter_client.manager import start_new_kernel


class Session:
    """A kernel that a notebook belongs to."""

    def __init__(self, notebook: Path) -> None:
        environment = {**os.environ, "JPY_SESSION_NAME": str(notebook)}
        self.manager, self.client = start_new_kernel(env=environment, cwd=str(notebook.parent))

    def run(self, cell: str, cell_id: str = "") -> tuple[str, dict[str, str], str]:
        """Run a cell; return what it printed, what it showed, and the error's text.

        cell_id: the notebook's id of the cell, as JupyterLab sends it along
        """
        printed: list[str] = []
        shown: dict[str, str] = {}
        errors: list[str] = []
        content = {
            "code": cell,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        metadata = {"cellId": cell_id} if cell_id else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        while True:
            reply = self.client.get_iopub_msg(timeout=120)
            if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            content = reply["content"]
            if reply["msg_type"] == "stream":
                printed.append(content["text"])
            elif reply["msg_type"] in {"execute_result", "display_data"}:
                shown.update(content["data"])
            elif reply["msg_type"] == "error":
                errors.extend(content["traceback"])
            elif reply["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(printed), shown, "\n".join(errors)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.context.term()
