"""Environments: what is installed, a lock with hashes, and one built from a lock."""

import subprocess
import sys

import pytest

from mlops_nb.engine.environments import Environments, needed, pins_of
from mlops_nb.errors import JobError, NotebookError


@pytest.fixture(scope="module")
def environments(tmp_path_factory):
    return Environments(tmp_path_factory.mktemp("records"))


def test_the_interpreter_is_the_one_of_the_kernelspec(environments):
    assert environments.interpreter("python3") == sys.executable
    with pytest.raises(NotebookError, match="no kernel 'cobol'"):
        environments.interpreter("cobol")


def test_what_a_module_needs_is_followed_to_the_end(environments):
    found = needed(environments.look(sys.executable), ["sklearn"])
    assert {"scikit-learn", "numpy", "scipy", "joblib", "ipykernel", "cloudpickle"} <= found
    assert "mlflow" not in found


def test_a_lock_pins_what_is_installed_with_hashes_and_names_no_host(environments):
    lock = environments.lock(sys.executable, ["yaml"])
    assert "pyyaml" in pins_of(lock)
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert environments.differences(sys.executable, lock) == []
    assert environments.python_for(sys.executable, lock, build=False) == sys.executable


def test_another_lock_gets_an_environment_of_its_own_and_never_at_run_time(environments):
    have = environments.look(sys.executable).packages["six"]
    other = "1.16.0" if have != "1.16.0" else "1.17.0"
    lock = environments._compile(sys.executable, [f"six=={other}"])
    assert environments.differences(sys.executable, lock) == [f"six {have} instead of {other}"]
    with pytest.raises(JobError, match="no environment on this machine"):
        environments.python_for(sys.executable, lock, build=False)
    built = environments.python_for(sys.executable, lock, build=True)
    assert built != sys.executable
    said = subprocess.run(
        [built, "-c", "import six; print(six.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == other
    assert environments.python_for(sys.executable, lock, build=False) == built


def test_a_package_that_no_index_has_is_an_error_with_its_mend(environments):
    with pytest.raises(JobError, match="cannot be locked"):
        environments._compile(sys.executable, ["no-such-package-at-all-mlops-nb==1.0"])
