"""Python environments: lists, locks with hashes, and builds from a lock."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.errors import JobError, NotebookError, Unreachable

# each file of metadata is parsed once; importlib.metadata.packages_distributions parses it anew
# for each module
ASK = """
import collections, importlib.metadata as im, json, platform, sys
packages, modules = {}, collections.defaultdict(list)
for d in im.distributions():
    facts = d.metadata
    name = facts["Name"]
    if not name:
        continue
    url = d.read_text("direct_url.json")
    packages[name.lower().replace("_", "-").replace(".", "-")] = {
        "version": facts["Version"],
        "requires": facts.get_all("Requires-Dist") or d.requires or [],
        "direct": json.loads(url) if url else None}
    declared = (d.read_text("top_level.txt") or "").split()
    for module in declared or {f.parts[0].partition(".")[0] for f in d.files or ()
                               if f.suffix in {".py", ".so", ".pyd"}}:
        modules[module].append(name)
print(json.dumps({"python": platform.python_version(), "prefix": sys.prefix,
                  "stdlib": sorted(sys.stdlib_module_names), "path": sys.path[1:],
                  "modules": modules, "packages": packages}))
"""
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
ALWAYS = ("ipykernel", "cloudpickle")  # needed to run a notebook and to store a model


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter and its packages. `packages`: name → version."""

    python: str
    version: str
    prefix: str
    packages: Mapping[str, str]
    requires: Mapping[str, tuple[str, ...]]
    modules: Mapping[str, tuple[str, ...]]
    direct: Mapping[str, str]
    stdlib: frozenset[str]


def kernelspec(kernel: str) -> Mapping[str, Any]:
    """Return the argv, env and language of a kernelspec, without jupyter_client if possible.

    Raises NotebookError if there is no such kernel.
    """
    from jupyter_core.paths import jupyter_path

    kernel = "python3" if kernel == "python" else kernel  # as in jupyter_client
    for place in jupyter_path("kernels"):
        file = Path(place) / kernel.lower() / "kernel.json"
        if file.is_file():
            with contextlib.suppress(ValueError, LookupError, TypeError):
                found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                return found | {"argv": [str(word) for word in found["argv"]]}
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        return dict(KernelSpecManager().get_kernel_spec(kernel).to_dict())
    except NoSuchKernel:
        raise NotebookError(
            f"there is no kernel {kernel!r} on this machine",
            fix="run it in one of `jupyter kernelspec list`: -k KERNEL, or install this one",
        ) from None


def program_of(spec: Mapping[str, Any]) -> str:
    """Return the program that a kernelspec starts."""
    named = str(spec["argv"][0])
    if Path(named).name == named:
        return sys.executable if named.startswith("python") else (shutil.which(named) or named)
    return named


def packages_digest(python: str) -> str:
    """Return a digest of an interpreter's version, platform and installed packages."""
    places = sorted({p for p in sys.path if p.endswith("-packages")})
    prefix = str(Path(python).parent.parent)
    if os.path.realpath(python) != os.path.realpath(sys.executable) or prefix != sys.prefix:
        places = sorted(str(p) for p in Path(prefix).glob("lib/python*/site-packages"))
    packages = sorted(
        n
        for p in places
        if os.path.isdir(p)
        for n in os.listdir(p)
        if n.endswith((".dist-info", ".egg-info", ".egg-link"))
    )
    parts = [
        os.path.realpath(python),
        sys.version if python == sys.executable else "",
        os.uname().machine,
        sys.platform,
        *packages,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def plain(name: str) -> str:
    """Return a package's name as indexes compare it.

    >>> plain("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


class Environments:
    """Finds interpreters, locks their packages, and builds environments from locks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def interpreter(self, kernel: str) -> str:
        """Return the interpreter that a kernelspec runs.

        Raises NotebookError if there is no such kernel.
        """
        return program_of(kernelspec(kernel))

    def digest(self, python: str) -> str:
        """Return a digest of an interpreter and its packages."""
        return packages_digest(python)

    def look(self, python: str) -> Environment:
        """Return the packages of an interpreter."""
        return _look(python)

    def lock(self, python: str, modules: Iterable[str]) -> str:
        """Return a lock, exact versions and hashes, of the packages that some modules need.

        modules: names of top-level modules

        Raises JobError for a package that no index has, Unreachable if no index answers.
        """
        found = self.look(python)
        pins = sorted(f"{n}=={found.packages[n]}" for n in needed(found, modules))
        key = hashlib.sha256("\n".join([found.version, *pins]).encode()).hexdigest()[:24]
        cached = self.folder / "locks" / f"{key}.lock"
        if not cached.exists():
            files.write_text(cached, self._compile(python, pins))
        return cached.read_text(encoding="utf-8")

    def _compile(self, python: str, pins: Iterable[str]) -> str:
        done = self._uv(
            "pip",
            "compile",
            "--quiet",
            "--generate-hashes",
            "--no-deps",
            "--no-header",
            "--no-annotate",
            "--python",
            python,
            "-",
            text="\n".join(pins) + "\n",
        )
        if done.returncode == 0:
            return done.stdout
        stderr = done.stderr.strip()
        if "No solution found" in stderr or "not found in the package registry" in stderr:
            raise JobError(
                "the environment cannot be locked: " + " ".join(stderr.split())[:300],
                fix="install that package from an index, or leave its import out of the job; "
                "name the index of a version such as 2.0+cpu: UV_INDEX=URL",
            )
        raise Unreachable(
            "the hashes of the packages could not be fetched: " + " ".join(stderr.split())[:300],
            fix="connect to the package index once; the lock is cached afterwards",
        )

    def differences(self, python: str, lock: str) -> list[str]:
        """Return how an interpreter's packages differ from a lock, one line each."""
        have = self.look(python).packages
        return [
            f"{name} {have.get(name, 'missing')} instead of {version}"
            for name, version in pins_of(lock).items()
            if have.get(name) != version
        ]

    def python_for(self, python: str, lock: str, *, build: bool) -> str:
        """Return an interpreter whose packages equal a lock: this one, or one built from it.

        build: build it if it does not exist

        Raises JobError if it does not exist and `build` is false.
        """
        if Path(python).exists() and not self.differences(python, lock):
            return python
        home = self.home(lock)
        built = home / "bin" / "python"
        if built.exists() and (home / ".complete").exists():
            return str(built)
        if not build:
            raise JobError(
                "no environment on this machine equals the job's lock",
                fix="build it with: mlops-nb apply JOB",
            )
        self._build(home, python, lock)
        return str(built)

    def home(self, lock: str) -> Path:
        """Return the folder of the environment that is built from a lock."""
        return self.folder / "envs" / hashlib.sha256(lock.encode()).hexdigest()[:24]

    def _build(self, home: Path, python: str, lock: str) -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        version = self.look(python).version if Path(python).exists() else "3.11"
        listed = home.with_suffix(".lock")
        files.write_text(listed, lock)
        for words in (
            ("venv", "--quiet", "--python", version, str(home)),
            (
                "pip",
                "sync",
                "--quiet",
                "--compile-bytecode",
                "--require-hashes",
                "--python",
                str(home / "bin/python"),
                str(listed),
            ),
        ):
            done = self._uv(*words)
            if done.returncode:
                shutil.rmtree(home, ignore_errors=True)
                raise Unreachable(
                    "the job's environment could not be built: "
                    + " ".join(done.stderr.split())[:300],
                    fix="check the connection to the package index, then: mlops-nb apply JOB",
                )
        files.write_text(home / ".complete", "")

    def _uv(self, *words: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run uv; for a user without a home its cache lies in .mlops/."""
        from uv import find_uv_bin

        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        if not files.has_home(environment) and "XDG_CACHE_HOME" not in environment:
            environment.setdefault("UV_CACHE_DIR", str(self.folder / "home" / "cache" / "uv"))
        return subprocess.run(
            [find_uv_bin(), *words],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
        )


@lru_cache(maxsize=16)
def _look(python: str) -> Environment:
    done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unreachable(
            f"the interpreter {python!r} does not answer: {done.stderr.strip()[-200:]}",
            fix="repair or reinstall the notebook's kernel",
        )
    found = json.loads(done.stdout)
    packages = found["packages"]
    return Environment(
        python=python,
        version=found["python"],
        prefix=found["prefix"],
        packages={name: p["version"] for name, p in packages.items()},
        requires={name: tuple(p["requires"]) for name, p in packages.items()},
        modules={m: tuple(plain(d) for d in ds) for m, ds in found["modules"].items()},
        direct={n: p["direct"].get("url", "") for n, p in packages.items() if p["direct"]},
        stdlib=frozenset(found["stdlib"]),
    )


def needed(environment: Environment, modules: Iterable[str]) -> set[str]:
    """Return the packages that some modules need, with their dependencies."""
    from packaging.requirements import InvalidRequirement, Requirement

    roots = [d for m in modules for d in environment.modules.get(m, ())]
    queue = [n for n in (*roots, *ALWAYS) if n in environment.packages]
    found: set[str] = set()
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        for text in environment.requires.get(name, ()):
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                queue += [n for n in [plain(wanted.name)] if n in environment.packages]
    return found


def pins_of(lock: str) -> dict[str, str]:
    """Return the packages that a lock pins: name → version.

    >>> pins_of("Six==1.16.0 \\\\\\n    --hash=sha256:00\\n")
    {'six': '1.16.0'}
    """
    return {plain(m[1]): m[2] for line in lock.splitlines() if (m := PIN.match(line))}
