"""Papermill's own tests of execution pass with this engine in the place of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODULES = ("execute", "parameterize", "autosave", "engines", "exceptions", "inspect")
LEFT_OUT = {
    "test_start_timeout": "looks at the arguments of the class that papermill's own engine makes",
    "test_default_start_timeout": "the same",
    "TestBrokenNotebook2": "imports a name that IPython 9 has no more: it fails with any engine",
}


def test_papermills_tests_pass_with_this_engine(tmp_path):
    left_out = " and ".join(f"not {name}" for name in LEFT_OUT)
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "ours_by_default",
        "-k",
        left_out,
        "-p",
        "no:cacheprovider",
        "--pyargs",
        *(f"papermill.tests.test_{m}" for m in MODULES),
    ]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed.group(1)) > 90
