"""Kernels that jupyter_client starts through the provisioner are forks, and act as any other."""

import json
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

ASK = (
    "import os, sys, json\nprint(json.dumps([os.getppid(), 'pandas' in sys.modules, os.getcwd()]))"
)


@pytest.fixture
def manager(tmp_path):
    made = KernelManager(kernel_name="python3")
    made.kernel_spec.metadata["kernel_provisioner"] = {
        "provisioner_name": "mlops-nb-warm",
        "config": {"modules": ["pandas"]},
    }
    made.start_kernel(cwd=str(tmp_path))
    client = made.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield made, client
    client.stop_channels()
    if made.has_kernel:
        made.shutdown_kernel(now=True)


def said(client, text, seconds=30):
    """Run a text and return what it printed, or the name of its error."""
    found = []

    def hear(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            found.append(content["text"])
        elif message["msg_type"] == "error":
            found.append(content["ename"])

    client.execute_interactive(text, timeout=seconds, output_hook=hear)
    return "".join(found)


def test_a_kernel_is_a_fork_with_its_imports_ready_in_a_folder_of_its_own(manager, tmp_path):
    _, client = manager
    parent, ready, folder = json.loads(said(client, ASK))
    assert "parent.py" in " ".join(psutil.Process(parent).cmdline())
    assert ready
    assert Path(folder) == tmp_path


def test_it_can_be_interrupted_restarted_and_shut_down(manager, tmp_path):
    kernels, client = manager
    pid = kernels.provisioner.pid
    begun = tmp_path / "begun"
    client.execute("import time\nopen('begun', 'w').close()\nwhile True: time.sleep(0.05)")
    while not begun.exists():
        time.sleep(0.05)
    kernels.interrupt_kernel()
    end = time.monotonic() + 20
    while "alive" not in said(client, "print('alive')"):  # what came at once is dropped, as always
        assert time.monotonic() < end
    kernels.restart_kernel(now=True)
    client.wait_for_ready(timeout=60)
    assert kernels.provisioner.pid != pid
    assert said(client, "x") == "NameError"
    kernels.shutdown_kernel()
    assert not kernels.is_alive()
    assert not psutil.pid_exists(pid)


def test_a_kernel_of_another_kind_starts_as_before(tmp_path):
    made = KernelManager(kernel_name="python3")
    made.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "mlops-nb-warm"}
    made.kernel_spec.argv = [
        made.kernel_spec.argv[0],
        "-c",
        "from ipykernel.kernelapp import launch_new_instance as l; l()",
        "-f",
        "{connection_file}",
    ]
    made.start_kernel(cwd=str(tmp_path))
    client = made.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    assert said(client, "print(2)") == "2\n"
    client.stop_channels()
    made.shutdown_kernel(now=True)
