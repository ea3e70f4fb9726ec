"""What no run can repeat is never reused: unseeded randomness by any door, clocks, addresses."""

import json
import subprocess
import sys
from pathlib import Path

ORACLE = Path(__file__).with_name("oracle.py")
NP, RANDOM = "import numpy as np\n", "import random\n"
NEVER = {
    "a generator": f"{NP}print(np.random.default_rng().random())",
    "a generator of None": f"{NP}print(np.random.default_rng(None).random())",
    "a RandomState": f"{NP}r = np.random.RandomState()\nprint(r.rand())",
    "numpy's global state": f"{NP}print(np.random.rand())",
    "numpy, seeded with nothing": f"{NP}np.random.seed()\nprint(np.random.rand())",
    "random's global state": f"{RANDOM}print(random.random())",
    "random, seeded with nothing": f"{RANDOM}random.seed()\nprint(random.random())",
    "a Random of its own": f"{RANDOM}print(random.Random().random())",
    "inside a function": f"{RANDOM}def f():\n    return random.Random().random()\nprint(f())",
    "SystemRandom": "from random import SystemRandom\nprint(SystemRandom().random())",
    "os.urandom": "import os\nprint(os.urandom(4))",
    "os.urandom by another name": "from os import urandom as u\nprint(u(4))",
    "secrets": "import secrets\nprint(secrets.token_hex(4))",
    "uuid4": "from uuid import uuid4\nprint(uuid4())",
    "uuid1": "import uuid\nprint(uuid.uuid1())",
    "a temporary folder": "import tempfile\nprint(tempfile.mkdtemp())",
    "a hash of a text": "print(hash('a'))",
    "an address": "x = [1]\nprint(id(x))",
    "the process": "import os\nprint(os.getpid())",
    "the clock": "import time\nprint(time.time())",
    "the date": "from datetime import datetime\nprint(datetime.now())",
    "rows of a frame": "import pandas as pd\nprint(pd.DataFrame({'a': range(99)}).sample(3))",
}
REPEATED = {
    "a generator": f"{NP}print(np.random.default_rng(3).random())",
    "a RandomState": f"{NP}r = np.random.RandomState(3)\nprint(r.rand())",
    "a Random of its own": f"{RANDOM}print(random.Random(3).random())",
    "random, seeded": f"{RANDOM}random.seed(1)\nprint(random.random())",
    "numpy, seeded": f"{NP}np.random.seed(1)\nprint(np.random.rand())",
    "rows of a frame": (
        "import pandas as pd\nprint(pd.DataFrame({'a': range(99)}).sample(3, random_state=1))"
    ),
    "the id of a styled table": (
        "import pandas as pd\nt = len(pd.DataFrame({'a': [1]}).style.to_html()) > 9"
    ),
}


def reused(cells: dict[str, str], steps_before: int) -> dict[str, int]:
    """Return how many of the last steps a second run reused: 1 or 0 for each cell."""
    before = [f"# mlops: step s{n}\nv{n} = {n}" for n in range(steps_before)]
    notebooks = [[([*before, f"# mlops: step last\n{c}"], {})] * 2 for c in cells.values()]
    words = [sys.executable, "-W", "ignore", str(ORACLE)]
    done = subprocess.run(
        words, input=json.dumps(notebooks), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    return {name: one["reused"] - steps_before for name, one in zip(cells, found, strict=True)}


def test_what_no_run_can_repeat_runs_again():
    assert reused(NEVER, 0) == dict.fromkeys(NEVER, 0)


def test_it_runs_again_as_the_last_of_many_steps():
    some = dict([*NEVER.items()][::5])
    assert reused(some, 24) == dict.fromkeys(some, 0)


def test_what_is_seeded_is_reused():
    assert reused(REPEATED, 0) == dict.fromkeys(REPEATED, 1)
