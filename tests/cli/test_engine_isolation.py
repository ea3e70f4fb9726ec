"""A fork of a warm process has what a new process would have, and nothing that another run left."""

import os
import resource
import subprocess

import psutil
import pytest
from rooms import executed, notebook, room, texts
from typing_in import MLOPS_NB


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def terminal(tmp_path, home):
    return room(tmp_path, home)


def run(terminal, **extra):
    answer = terminal.type("run", "n.ipynb", "--fresh", "--engine", "warm", **extra)
    assert answer.status == 0, answer.stderr
    return texts(executed(answer.json))[-1]


def test_settings_beside_the_notebook_are_read_when_a_library_is_imported(terminal):
    notebook(terminal, "import matplotlib", "print(matplotlib.rcParams['lines.linewidth'])")
    assert run(terminal) == "1.5\n"
    (terminal.folder / "matplotlibrc").write_text("lines.linewidth: 7\n")
    assert run(terminal) == "7.0\n"
    (terminal.folder / "matplotlibrc").write_text("lines.linewidth: 3\n")
    assert run(terminal) == "3.0\n"


def test_a_file_under_work_that_an_installed_package_imports_is_never_stale(terminal, tmp_path):
    base, work = tmp_path / "base", tmp_path / "work"
    work.mkdir()
    user = {"PYTHONUSERBASE": str(base)}
    where = [MLOPS_NB.with_name("python"), "-c", "import site; print(site.getusersitepackages())"]
    packages = subprocess.check_output(where, env=os.environ | user, text=True).strip()
    os.makedirs(packages)
    with open(f"{packages}/plugged.py", "w") as file:
        file.write("from under_work import value\n")
    user["PYTHONPATH"] = f"{packages}{os.pathsep}{work}"
    notebook(terminal, "import plugged, os, sys", "print(plugged.value, os.getppid())")
    told = []
    for value in (1, 1, 22):
        if value not in [one[0] for one in told]:
            (work / "under_work.py").write_text(f"value = {value}\n")
        told.append(tuple(map(int, run(terminal, **user).split())))
    assert [value for value, _ in told] == [1, 1, 22]
    assert told[0][1] == told[1][1] != told[2][1]  # the same parent served until the edit


def test_limits_and_priority_are_those_of_whoever_runs_it(terminal):
    notebook(
        terminal,
        "import os, resource as r",
        "print(r.getrlimit(r.RLIMIT_CORE)[0], r.getrlimit(r.RLIMIT_NOFILE)[0], os.nice(0),\n"
        "      len(os.sched_getaffinity(0)))",
    )
    plain = run(terminal).split()
    words = [str(MLOPS_NB), "run", "n.ipynb", "--fresh", "--engine", "warm", "-o", "o.ipynb"]
    core = min(os.sched_getaffinity(0))

    def narrowed():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (333, 999))
        os.nice(3)
        os.sched_setaffinity(0, {core})

    subprocess.run(
        words,
        cwd=terminal.folder,
        env=terminal.environment(),
        check=True,
        capture_output=True,
        preexec_fn=narrowed,
    )
    found = texts(executed({"output": terminal.folder / "o.ipynb"}))[-1].split()
    assert found == ["0", "333", str(int(plain[2]) + 3), "1"]
    assert run(terminal).split() == plain


@pytest.mark.parametrize("engine", ["kernel", "cold"])
def test_a_kernel_listens_on_sockets_that_nobody_else_can_open(terminal, engine):
    notebook(
        terminal,
        "import ipykernel, os",
        "at = ipykernel.get_connection_info(unpack=True)\nfolder = os.path.dirname(at['ip'])\n"
        "print(at['transport'], oct(os.stat(folder).st_mode & 0o777), folder)",
    )
    answer = terminal.type("run", "n.ipynb", "--engine", engine)
    assert answer.status == 0, answer.stderr
    transport, mode, folder = texts(executed(answer.json))[-1].split()
    assert (transport, mode) == ("ipc", "0o700")
    assert not os.path.exists(folder)


def test_the_magics_of_a_kernel_are_there(terminal):
    notebook(terminal, "kept = 1\n%store kept", "del kept\n%store -r kept\nprint(kept)")
    assert run(terminal) == "1\n"


def test_a_bound_that_is_no_size_is_told_and_not_only_behind_a_run(terminal):
    notebook(terminal, "x = 1")
    said = terminal.refused("run", "n.ipynb", "--fresh", MLOPS_NB_STORE_LIMIT="20GB")
    assert "20GB" in said


def test_what_a_step_drops_ends_at_once(terminal):
    notebook(
        terminal,
        "class O:\n    def __del__(self): print('bye')\no = O()\n"
        "f = open('a.txt', 'w'); n = f.write('written')",
        "del o; f = None\nprint('after', open('a.txt').read())",
    )
    assert run(terminal) == "bye\nafter written\n"


def test_no_argument_of_a_process_holds_the_environment(terminal):
    secret = f"secret-{os.getpid()}-{terminal.folder.name}-never-an-argument"
    notebook(terminal, "import os\nos.environ['INSIDE'] = 'x'", "import pandas", "print('ran')")
    home = str(terminal.home)
    runtime = {"TMPDIR": home, "TOKEN": secret}  # new warm parents: nothing was started before
    assert run(terminal, **runtime) == "ran\n"
    words = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    parents = {w[2] for w in words if w[1:] and w[1].endswith("parent.py") and home in w[2]}
    assert len(parents) == 2  # for the notebook's imports, and for MLflow's
    assert [w for w in words if secret in " ".join(w)] == []
