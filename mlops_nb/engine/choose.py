"""Chooses the engine of a notebook, a warm fork, a kernel or a cold kernel, with a reason."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_nb.engine import environments
from mlops_nb.engine.task import Reuse, Task
from mlops_nb.errors import Refused
from mlops_nb.events import EngineChosen, Event
from mlops_nb.notebook.cells import source_of

NAMES = ("warm", "kernel", "cold")
WIDGETS = re.compile(
    r"\b(ipywidgets|anywidget|bqplot|ipyleaflet|ipympl|pythreejs|FigureWidget"
    r"|tqdm\.(auto|autonotebook|notebook)|comm\.create_comm)\b|%matplotlib\s+(widget|notebook|ipympl)"
)


class Engines:
    """The executor that runs each task with the engine that fits it.

    environment: the variables that every run starts from; a library may change our own
    store:       stores the file of a kept value and returns the digest of its content
    """

    def __init__(self, environment: Mapping[str, str], store: Callable[[Path], str] = str) -> None:
        self.environment = environment
        self.store = store

    def execute(self, task: Task, reuse: Reuse | None = None) -> Iterator[Event]:
        """Yield which engine runs the task, and the events of that engine.

        Raises Refused for an unknown engine, and what the engine itself raises.
        """
        engine, because = choose(task)
        if engine == "warm":
            from mlops_nb.engine.warm.client import Unwarm
            from mlops_nb.engine.warm.executor import Warm

            warm = Warm(self._wanted(task), self.store)
            started = False
            try:
                for event in warm.execute(task, reuse):
                    if not started:
                        yield EngineChosen(run=task.run, engine="warm", because=because)
                    started = True
                    yield event
            except Unwarm as error:
                if task.limits.engine == "warm" or started:
                    what = f"there is no warm process for this run: {error}"
                    raise Refused(what, fix="leave --engine out, or give --engine cold") from None
                engine, because = "kernel", str(error)
            else:
                return
        from mlops_nb.engine.papermill import Papermill

        yield EngineChosen(run=task.run, engine=engine, because=because)
        papermill = Papermill(self.environment, self.store, forked=engine == "kernel")
        yield from papermill.execute(task, reuse)

    def _wanted(self, task: Task) -> Any:
        from mlops_nb.engine.warm.client import Wanted
        from mlops_nb.engine.warm.executor import preload_of
        from mlops_nb.notebook import document

        spec = _spec(task)
        python = task.interpreter or environments.program_of(spec)
        ready = preload_of(document.ready(task.document), str(task.folder))
        return Wanted(
            python=python,
            modules=ready.modules,
            variables=ready.variables,
            folder=ready.folder,
            environment={**self.environment, **spec.get("env", {}), **task.environment},
            packages=environments.packages_digest(python),
        )


def choose(task: Task) -> tuple[str, str]:
    """Return the engine of a task, and why it is not the warm one."""
    if task.limits.engine:
        if task.limits.engine not in NAMES:
            raise Refused(
                f"there is no engine {task.limits.engine!r}",
                fix=f"choose one of {', '.join(NAMES)}",
            )
        return task.limits.engine, "it was asked for"
    why = unsafe(task)
    return ("kernel", why) if why else ("warm", "")


def unsafe(task: Task) -> str:
    """Return why a task must not run in a fork of a warm process, "" if it may."""
    return unsafe_notebook(_spec(task), task.document)


def unsafe_notebook(spec: Mapping[str, Any], notebook: Mapping[str, Any]) -> str:
    """Return why a notebook with a kernelspec must not run in a fork, "" if it may."""
    from mlops_nb.engine.warm.client import possible

    if why := possible():
        return why
    python = spec.get("language", "python").lower() == "python"
    if not python or "ipykernel_launcher" not in spec["argv"]:
        return f"the kernel {spec.get('display_name', '')!r} is not IPython's"
    if why := _profile():
        return why
    text = "\n".join(source_of(c) for c in notebook["cells"] if c["cell_type"] == "code")
    found = WIDGETS.search(text)
    return f"it uses widgets ({found.group(0)})" if found else ""


def _profile() -> str:
    folder = os.environ.get("IPYTHONDIR") or os.path.expanduser("~/.ipython")
    home = Path(folder) / "profile_default"
    found = [
        *home.glob("ipython*_config.*"),
        *home.glob("startup/*.py"),
        *home.glob("startup/*.ipy"),
    ]
    return f"IPython's profile starts with {found[0].name}" if found else ""


def _name(task: Task) -> str:
    return str(task.document.get("metadata", {}).get("kernelspec", {}).get("name", "python3"))


def _spec(task: Task) -> Any:
    return environments.kernelspec(_name(task))
