"""What a front end does with widgets while a cell runs: reads their states, and clicks buttons."""

import queue
import time

from live import Session

PATIENCE = 60.0  # s


class FrontEnd:
    """A front end that sends the messages of widgets to a subshell, as JupyterLab does."""

    def __init__(self, session: Session) -> None:
        self.session, self.client = session, session.client
        self.states: dict[str, dict] = {}  # of each widget, by the id of its model
        self.printed, self.shown, self.updated, self.request = "", [], [], ""
        self.idle = False
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        self.subshell = self.client.get_control_msg(timeout=60)["content"]["subshell_id"]

    def start(self, cell: str) -> None:
        """Start a cell, and do not wait for it; only what follows counts from now on."""
        self.states = {}
        self.printed, self.shown, self.updated, self.idle = "", [], [], False
        self.request = self.client.execute(cell)

    def until(self, wanted) -> None:
        """Take messages until something is as wanted."""
        end = time.monotonic() + PATIENCE
        while not wanted():
            assert time.monotonic() < end, (self.printed, self.texts())
            try:
                self._take(self.client.get_iopub_msg(timeout=1))
            except queue.Empty:
                continue

    def finish(self) -> None:
        """Wait until the cell has ended."""
        self.until(lambda: self.idle)

    def _take(self, message: dict) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            self.states[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg" and content["comm_id"] in self.states:
            self.states[content["comm_id"]] |= content["data"].get("state", {})
        elif message["parent_header"].get("msg_id") != self.request:
            return
        elif kind == "stream":
            self.printed += content["text"]
        elif kind in {"display_data", "execute_result"}:
            self.shown.append(content["data"])
        elif kind == "update_display_data":
            self.updated.append(content["data"])
        elif kind == "status":
            self.idle = content["execution_state"] == "idle"

    def button(self, label: str) -> str:
        """Return the model of the newest button with a label, "" if there is none."""
        found = [m for m, state in self.states.items() if state.get("description") == label]
        return found[-1] if found else ""

    def click(self, model: str) -> None:
        """Click a button."""
        data = {"method": "custom", "content": {"event": "click"}}
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def texts(self) -> str:
        """Return all that the widgets show as HTML."""
        return "\n".join(str(state.get("value", "")) for state in self.states.values())
