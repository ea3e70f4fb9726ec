"""A kernel provisioner for jupyter_client and JupyterLab that forks kernels from a warm process.

`JUPYTER_DEFAULT_PROVISIONER_NAME=mlops-nb-warm jupyter lab` uses it for every kernel. Kernels other
than IPython's, and platforms without a safe fork, get a plain process.
"""

import asyncio
import os
import signal
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, List, Unicode

from mlops_nb.engine.environments import packages_digest
from mlops_nb.engine.warm.client import Child, Unwarm, Wanted, fork, possible

LAUNCHER = "ipykernel_launcher"


class Forked:
    """A forked process with the interface of `subprocess.Popen` that jupyter_client needs."""

    stdin = stdout = stderr = None

    def __init__(self, child: Child) -> None:
        self.child = child
        self.pid = child.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self.poll()

    @property
    def parent_is_gone(self) -> bool:
        """Whether it ended because the warm parent did."""
        return self.child.parent_is_gone

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._closed(self.child.poll())

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it exits, at most `timeout` s; return the exit status, None if it runs on."""
        return self._closed(self.child.wait(timeout))

    def _closed(self, code: int | None) -> int | None:
        if code is not None:
            self.child.close()
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal to the process group."""
        if self.poll() is None:
            self.child.signal(number)

    def kill(self) -> None:
        """Send SIGKILL to the process group."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM to the process group."""
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels by forking a warm parent.

    modules:   dotted names that the parent imports
    variables: environment variables of the parent
    folder:    working folder of the parent
    """

    modules = List(Unicode(), config=True)
    variables = Dict(Unicode(), config=True)
    folder = Unicode("/", config=True)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Start a kernel; return how to connect to it."""
        if LAUNCHER not in cmd or possible():
            return await super().launch_kernel(cmd, **options)
        environment = dict(options.get("env") or os.environ)
        wanted = Wanted(
            python=cmd[0],
            environment=environment,
            packages=packages_digest(cmd[0]),
            modules=tuple(self.modules),
            variables=dict(self.variables),
            folder=self.folder,
        )
        request = {
            "do": "kernel",
            "arguments": cmd[cmd.index(LAUNCHER) + 1 :],
            "environment": environment,
            "folder": options.get("cwd") or os.getcwd(),
        }
        try:
            child = await asyncio.to_thread(fork, wanted, request, (1, 2))
        except Unwarm as error:
            self.log.warning("starting a plain kernel instead of a warm one: %s", error)
            return await super().launch_kernel(cmd, **options)
        self.process = Forked(child)
        self.pid = self.pgid = child.pid
        return self.connection_info
