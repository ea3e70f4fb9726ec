"""The jobs of a project, with buttons for one of them."""

from collections.abc import Sequence
from pathlib import Path

import traitlets

from mlops_nb.errors import Refused
from mlops_nb.jupyter.widgets.base import AskedView
from mlops_nb.jupyter.widgets.choice import Choosing
from mlops_nb.jupyter.widgets.command import Reply
from mlops_nb.jupyter.widgets.static import state_table, text_table
from mlops_nb.markup import html
from mlops_nb.project import listed

NO_SCHEDULER = "no scheduler has been seen: start one with `mlops-nb scheduler`"


class JobsView(Choosing, AskedView):
    """The jobs, as `jobs` lists them.

    value:    the jobs, as `jobs --json` has them
    selected: the job that the buttons are about
    """

    value = traitlets.List()

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        self.pausing = self.button("Pause", self.pause, tip="stop its schedule, or start it again")
        self.running = self.button("Run now", self.run, tip="in a process of its own")
        super().__init__(words, folder, [self.pausing, self.running])

    def take(self, reply: Reply) -> None:
        """Show other jobs."""
        self.value = reply.answer["jobs"]
        self.show(*render(reply))
        self.offer([job["job"] for job in self.value])
        self.changed()

    def changed(self) -> None:
        """Show on the buttons what can be done with the selected job."""
        job = next((one for one in self.value if one["job"] == self.selected), None)
        self.pausing.disabled = self.running.disabled = job is None
        self.pausing.description = "Unpause" if job and job["status"] == "paused" else "Pause"

    def _job(self) -> str:
        if not self.selected:
            raise Refused("no job is selected", fix="select one beside the button")
        return str(self.selected)

    def pause(self) -> str:
        """Pause the selected job, or unpause it if it is paused."""
        job, word = self._job(), self.pausing.description.lower()
        answer = self.ask(word, "--", job).answer
        self.refresh()
        return f"{job}: {answer['status']}"

    def run(self) -> str:
        """Run the selected job now, in a process of its own."""
        job = self._job()
        answer = self.ask("trigger", "--detach", "--", job).answer
        self.refresh()
        return f"{job}: queued as {answer['run']}"


def render(reply: Reply) -> tuple[str, str]:
    """Return the HTML and the text of what `jobs --json` printed."""
    rows = listed.jobs(reply.answer)
    states = [job["status"] for job in reply.answer["jobs"]]
    seen = reply.answer["scheduler"]["seen"]
    said = f"the scheduler was last seen at {seen[:19]} UTC" if seen else NO_SCHEDULER
    notes = [note for note in (said, reply.said) if note]
    drawn = state_table(listed.JOBS, states, rows) + "".join(f"<p>{html(n)}</p>" for n in notes)
    return drawn, "\n".join([text_table(listed.JOBS, rows), *notes])
