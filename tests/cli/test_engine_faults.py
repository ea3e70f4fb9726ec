"""What can go wrong with a run: each ends in a true record, the outputs so far, and no orphan."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import venv
from pathlib import Path

import nbformat
import psutil
import pytest
from rooms import executed, notebook, room, texts

SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(120)"
ENGINES = ("warm", "kernel", "cold")
TWO = ("warm", "kernel")  # what is no matter of how a kernel is started


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all: its warm parents are the same, as they are for one person."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def terminal(tmp_path, home):
    return room(tmp_path, home)


@pytest.fixture
def short():
    """A folder with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="m", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def descendants(terminal):
    """The notebook's own processes: those that work in the project's folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(terminal.folder) and process.pid != os.getpid():
                found.append(process)
    return found


def gone(terminal, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not descendants(terminal):
            return True
        time.sleep(0.1)
    return False


def wait_for(path: Path, seconds=60, holding=""):
    end = time.monotonic() + seconds
    while not path.exists() or holding not in path.read_text():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.05)
    return path.read_text()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_that_is_killed_is_a_failed_run_with_its_outputs(terminal, engine):
    notebook(
        terminal,
        "x = 1\nprint('one')",
        "import os, signal\nprint('two', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
        "print('never')",
    )
    answer = terminal.type("run", "n.ipynb", "--engine", engine, "-o", "o.ipynb")
    assert answer.status == 1
    assert answer.json["status"] == "failed"
    assert "killed by signal 9" in answer.json["error"]
    book = executed(answer.json)
    assert texts(book)[0] == "one\n"
    assert "two" in texts(book)[1] or engine != "warm"  # a kernel takes its last words with it
    assert book.cells[1].outputs[-1].ename == "DeadKernelError"
    assert book.cells[2].outputs == []
    states = [c.metadata.papermill.status for c in book.cells]
    assert states == ["completed", "failed", "pending"]
    assert book.metadata.papermill.exception is True
    assert gone(terminal)


def test_an_exit_of_the_interpreter_is_told_apart_from_a_signal(terminal):
    notebook(terminal, "import os\nos._exit(3)")
    answer = terminal.type("run", "n.ipynb")
    assert answer.status == 1
    assert "exit status 3" in answer.json["error"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cell_that_takes_too_long(terminal, engine):
    notebook(terminal, "print('quick')", SLOW, "print('never')")
    began = time.monotonic()
    answer = terminal.type("run", "n.ipynb", "--engine", engine, "--cell-timeout", "2")
    assert answer.status == 1
    assert "CellTimeoutError" in answer.json["error"]
    assert time.monotonic() - began < 60
    assert texts(executed(answer.json))[:2] == ["quick\n", "begun\n"]
    assert gone(terminal)


def test_a_cell_that_will_not_be_interrupted_is_killed(terminal):
    notebook(
        terminal,
        "import time\nfor _ in range(60):\n    try: time.sleep(60)\n"
        "    except KeyboardInterrupt: print('no', flush=True)",
    )
    answer = terminal.type("run", "n.ipynb", "--cell-timeout", "1")
    assert answer.status == 1
    assert "CellTimeoutError" in answer.json["error"]
    assert texts(executed(answer.json)) == ["no\n"]
    assert gone(terminal)


@pytest.mark.parametrize("engine", TWO)
def test_a_run_that_takes_too_long(terminal, engine):
    notebook(terminal, "# mlops: step quick\nprint('quick')", f"# mlops: step slow\n{SLOW}")
    answer = terminal.type("run", "n.ipynb", "--engine", engine, "--timeout", "6")
    assert answer.status == 1
    states = {s["name"]: s["status"] for s in answer.json["steps"]}
    assert states == {"quick": "finished", "slow": "failed"}
    assert "time-out of 6 s" in answer.json["error"]
    assert texts(executed(answer.json))[0] == "quick\n"
    assert gone(terminal)


@pytest.mark.parametrize("engine", TWO)
def test_a_run_that_is_out_of_time_before_its_process_starts_runs_no_cell(terminal, engine):
    notebook(terminal, "open('begun', 'w').write('x')", SLOW)
    answer = terminal.type("run", "n.ipynb", "--engine", engine, "--timeout", "0.001")
    assert answer.status == 1
    assert answer.json["error"].startswith("the run's time-out of 0.001 s has passed")
    assert not (terminal.folder / "begun").exists()
    assert gone(terminal)


IN_LARGE_PIECES = "big = []\nwhile True: big.append(bytearray(30_000_000))"
TO_THE_LAST_BYTE = """big, size = [], 2**25
while True:
    try:
        big.append(bytearray(size))
    except MemoryError:
        size //= 2
        if not size: raise
"""


@pytest.mark.parametrize("engine", TWO)
@pytest.mark.parametrize("fill", [IN_LARGE_PIECES, TO_THE_LAST_BYTE], ids=["pieces", "last byte"])
def test_too_much_memory_ends_the_run_and_nothing_else(terminal, engine, fill):
    notebook(terminal, "print('small')", fill)
    answer = terminal.type("run", "n.ipynb", "--engine", engine, "--memory", "0.7")
    assert answer.status == 1
    assert "memory" in answer.json["error"].lower()
    assert texts(executed(answer.json))[0] == "small\n"
    assert gone(terminal)


@pytest.mark.parametrize("engine", TWO)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_person_stops_a_run(terminal, engine, number):
    notebook(terminal, "print('one')", "open('begun', 'w').write('x')\n" + SLOW)
    with terminal.start("run", "n.ipynb", "--engine", engine, "--json") as process:
        wait_for(terminal.folder / "begun")
        process.send_signal(number)
        stdout, _ = process.communicate(timeout=60)
    answer = json.loads(stdout)
    assert answer.get("status") == "stopped", answer
    assert texts(executed(answer))[0] == "one\n"
    assert gone(terminal)


@pytest.mark.parametrize("engine", TWO)
def test_whoever_runs_it_is_killed(terminal, engine):
    notebook(terminal, "open('begun', 'w').write('x')", SLOW)
    with terminal.start("run", "n.ipynb", "--engine", engine) as process:
        wait_for(terminal.folder / "begun")
        process.kill()
    assert gone(terminal), "the notebook's process goes with the one that ran it"
    (run,) = terminal.type("runs").json["runs"]
    assert run["status"] == "failed"
    assert "was killed" in run["error"]
    assert [p for p in terminal.folder.rglob("*.part") if ".mlops" not in p.parts] == []


def test_a_long_cell_can_be_read_while_it_runs_even_where_its_runner_is_killed(terminal):
    notebook(terminal, SLOW)
    with terminal.start("run", "n.ipynb", "--engine", "warm", "-o", "o.ipynb") as process:
        wait_for(terminal.folder / "o.ipynb", holding='"stream"')  # it is there from the beginning
        process.kill()
    cell = nbformat.read(terminal.folder / "o.ipynb", 4).cells[0]
    assert cell.outputs[0].text == "begun\n"
    assert cell.metadata.papermill.status == "running"
    assert gone(terminal)


def test_what_is_printed_right_after_something_shown_can_be_read_while_its_cell_runs(terminal):
    # the cell waits for the halt, then goes on and says nothing more until it is killed
    notebook(
        terminal,
        "import os, time\nopen('begun', 'w').write('x')\n"
        "while not os.path.exists('halted'): time.sleep(0.05)\n"
        "display(1)\nprint('afterwards', flush=True)\nopen('printed', 'w').write('x')\n"
        "time.sleep(120)",
    )
    with terminal.start("run", "n.ipynb", "--engine", "warm", "-o", "o.ipynb") as process:
        wait_for(terminal.folder / "begun")
        process.send_signal(signal.SIGSTOP)  # so that both reach it at once
        (terminal.folder / "halted").touch()
        wait_for(terminal.folder / "printed")
        process.send_signal(signal.SIGCONT)
        wait_for(terminal.folder / "o.ipynb", seconds=20, holding='afterwards\\n"')
        process.kill()
    assert gone(terminal)


def test_another_environment_needs_nothing_of_ours(terminal, tmp_path):
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    ours = Path(nbformat.__file__).parents[1]  # what it has installed, but for editable packages
    (packages / "shared.pth").write_text(f"{ours}\n")
    spec = terminal.home / ".local/share/jupyter/kernels/other/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(
        json.dumps(
            {
                "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "Other",
                "language": "python",
                "env": {"OF_THE_SPEC": "yes"},
            }
        )
    )
    notebook(
        terminal,
        "import sys, os, importlib.util as u\n"
        "ours = u.find_spec('mlops_nb.project')\n"
        "print(sys.prefix, ours, os.environ['OF_THE_SPEC'])",
    )
    book = json.loads((terminal.folder / "n.ipynb").read_text())
    book["metadata"]["kernelspec"]["name"] = "other"
    (terminal.folder / "n.ipynb").write_text(json.dumps(book))
    answer = terminal.type("run", "n.ipynb", "--engine", "warm")
    assert answer.status == 0, answer.stderr
    assert texts(executed(answer.json)) == [f"{tmp_path / 'venv'} None yes\n"]


WAITS = (
    "import os, time\nfirst = not os.path.exists('parent')\n"
    "with open('part', 'w') as f: f.write(str(os.getppid()))\n"
    "os.rename('part', 'parent')\n"
    "if first: time.sleep(120)\nprint('two')"
)


@pytest.mark.parametrize("engine", TWO)
def test_a_new_parent_takes_over_where_one_is_killed_during_a_run(terminal, engine):
    notebook(
        terminal,
        "# mlops: step one\nopen('ran', 'a').write('x')\nprint('one')",
        f"# mlops: step two\n{WAITS}",
    )
    with terminal.start("run", "n.ipynb", "--engine", engine, "--json") as process:
        parent = wait_for(terminal.folder / "parent")
        os.kill(int(parent), signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=60)
    answer = json.loads(stdout)
    assert answer["status"] == "finished", (answer, stderr)
    assert texts(executed(answer)) == ["one\n", "two\n"]
    assert "a new warm parent takes over" in stderr
    assert wait_for(terminal.folder / "parent") != parent
    before, after = terminal.type("runs").json["runs"]
    assert (before["status"], after["status"]) == ("failed", "finished")
    assert "the warm parent was killed" in before["error"]
    shown = terminal.type("show", before["run"])
    assert "correct that cell" not in shown.stdout + shown.stderr
    assert (terminal.folder / "ran").read_text() == "x"  # a finished step is reused
    assert gone(terminal)


def test_a_new_parent_takes_over_where_one_is_killed_at_every_moment(terminal, short):
    notebook(terminal, "print('one')")
    given = {"XDG_RUNTIME_DIR": str(short)}
    terminal.type("run", "n.ipynb", "--engine", "warm", **given)
    for delay in range(8):
        with terminal.start(
            "run", "n.ipynb", "--fresh", "--engine", "warm", "--json", **given
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=delay / 10)
            for parent in parents(short):
                parent.kill()
            stdout, stderr = process.communicate(timeout=60)
        assert json.loads(stdout)["status"] == "finished", (delay, stdout, stderr)


def parents(short):
    """The warm parents whose sockets are in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            parent = len(words) > 2 and words[-1].startswith(str(short)) and process.ppid() == 1
            found += [process] if parent else []
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_process_is_no_cell_to_correct(terminal, engine):
    notebook(terminal, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with terminal.start("run", "n.ipynb", "--engine", engine) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "its process was killed" in stdout + stderr
    assert "correct that cell" not in stdout + stderr


def test_a_failed_run_is_tried_again_from_the_step_that_failed(terminal):
    notebook(
        terminal,
        "# mlops: step a\nopen('a', 'a').write('x')\na = 1",
        "# mlops: step b\nimport os\nos.makedirs('tries', exist_ok=True)\n"
        "n = len(os.listdir('tries'))\n"
        "os.makedirs(f'tries/{n}')\nassert n == 2, n\nb = a",
    )
    answer = terminal.type("run", "n.ipynb", "--retries", "3")
    assert answer.status == 0, answer.stderr
    assert (terminal.folder / "a").read_text() == "x"
    assert len(list((terminal.folder / "tries").iterdir())) == 3
    assert "try 3 of 4" in answer.stderr
    assert [r["status"] for r in terminal.type("runs").json["runs"]] == ["failed"] * 2 + [
        "finished"
    ]


def test_nothing_of_one_run_reaches_another(terminal):
    (terminal.folder / "helper.py").write_text("value = 1\n")
    notebook(
        terminal,
        "import os, json, random, decimal, helper\nleft = os.environ.get('LEFT')\n"
        "was = json.__dict__.get('mark'), decimal.getcontext().prec, helper.value\n"
        "os.environ['LEFT'] = 'x'; json.mark = 1\n"
        "decimal.getcontext().prec = 5; os.chdir('/')\n"
        "print(left, *was, random.random())",
    )
    first = executed(terminal.type("run", "n.ipynb", "--fresh", "--engine", "warm").json)
    (terminal.folder / "helper.py").write_text("value = 22\n")
    second = executed(terminal.type("run", "n.ipynb", "--fresh", "--engine", "warm").json)
    (one,), (two,) = texts(first), texts(second)
    assert one.split()[:4] == ["None", "None", "28", "1"]
    assert two.split()[:4] == ["None", "None", "28", "22"]
    assert one.split()[4] != two.split()[4]  # each draws from a state of its own


def test_sockets_are_private_and_a_parent_ends_when_nobody_asks(terminal, short):
    notebook(terminal, "print(1)")
    place = short
    given = {"XDG_RUNTIME_DIR": str(place), "MLOPS_NB_WARM_IDLE": "2"}
    assert terminal.type("run", "n.ipynb", "--engine", "warm", **given).status == 0
    (folder,) = place.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    sockets = list(folder.glob("*.sock"))
    assert sockets
    assert all(s.stat().st_mode & 0o777 == 0o600 for s in sockets)
    end = time.monotonic() + 30
    while list(folder.glob("*.sock")):
        assert time.monotonic() < end, "the parent stays"
        time.sleep(0.2)


def test_a_folder_that_others_can_write_to_is_not_used(terminal, short):
    notebook(terminal, "print(1)")
    place = short
    (place / f"mlops-nb-{os.getuid()}").mkdir(parents=True, mode=0o777)
    (place / f"mlops-nb-{os.getuid()}").chmod(0o777)
    given = {"XDG_RUNTIME_DIR": str(place)}
    answer = terminal.type("run", "n.ipynb", **given)
    assert answer.status == 0
    assert "engine: kernel" in answer.stderr
    assert "not private" in answer.stderr
    asked = terminal.type("run", "n.ipynb", "--fresh", "--engine", "warm", **given)
    assert asked.json["status"] == "failed"
    assert "not private" in asked.json["error"]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("import ipywidgets\nipywidgets.IntSlider()", "widgets"),
        ("from tqdm.auto import tqdm\nlist(tqdm(range(2)))", "widgets"),
    ],
)
def test_what_needs_a_kernel_gets_one_and_the_reason_is_said(terminal, cell, why):
    notebook(terminal, cell)
    answer = terminal.type("run", "n.ipynb")
    assert answer.status == 0, answer.stderr
    assert "engine: kernel" in answer.stderr
    assert why in answer.stderr
    assert "widgets" in executed(answer.json).metadata
