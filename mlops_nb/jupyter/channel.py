"""The panel's channel to a kernel: an editor reports its cells, the kernel sends how they stand."""

from collections.abc import Mapping
from typing import Any

from mlops_nb.errors import MlopsError
from mlops_nb.session.live import Session

TARGET = "mlops_nb.panel"  # opened by the kernel, which sends states
EDITOR = "mlops_nb.editor"  # opened by a browser, which sends reports


class PanelChannel:
    """The comms of a kernel: one for its states, which all browsers share, one for each's reports.

    A browser that was reloaded sends {"sync": true} and is sent everything. Reports come in another
    thread than the cells run in, while one runs, if nothing is ever sent on their comm: ipykernel
    gives messages to the thread that sent on a comm last.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.comm: Any = None
        self.sent = ""  # the digest of the graph that was sent last

    def open(self) -> None:
        """Open the comm of the states, and send one after each cell from now on."""
        from comm import create_comm, get_comm_manager

        get_comm_manager().register_target(EDITOR, self._editor_opened)
        self.comm = create_comm(target_name=TARGET, data={"version": 1})
        self.session.after_cell.append(self.send)

    def _editor_opened(self, comm: Any, _: Mapping[str, Any]) -> None:
        comm.on_msg(self._on_message)

    def _on_message(self, message: Mapping[str, Any]) -> None:
        data = message["content"]["data"]
        whole = bool(data.get("sync"))
        if "order" in data:
            try:
                with self.session.lock:
                    self.session.editor.take(data)
            except MlopsError as error:
                self.comm.send({"version": 1, "problem": _problem(error), "resend": True})
                return
        self.send(whole=whole)

    def send(self, *, whole: bool = False) -> None:
        """Send how the steps stand, with the graph if it is another one than before.

        whole: send the graph as well if it is the same
        """
        try:
            state = self.session.pipeline_state()
        except MlopsError as error:
            state = {"version": 1, "problem": _problem(error)}
        with self.session.lock:
            if not whole and state.get("digest") == self.sent:
                del state["graph"], state["onward"]
            self.sent = state.get("digest", "")
            self.comm.send({**state, "revision": self.session.editor.revision})


def _problem(error: MlopsError) -> dict[str, str]:
    return {"error": error.what, "fix": error.fix, "where": error.where}
