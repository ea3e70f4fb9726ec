"""Find or install PostgreSQL, and run a server of it in a temporary folder."""

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # Red Hat
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
MISSING = "no PostgreSQL server was found, and the journal is tested on a real one"
FIX = "make postgres (as root on Debian), or install PostgreSQL 12 or later and put pg_ctl on PATH"
PASSWORD = "p:a/s%s?w#d"  # every character that an address must escape


class NoServer(RuntimeError):
    """There is no PostgreSQL server on this machine, or it does not start."""


def programs() -> Path | None:
    """Return the folder with initdb and pg_ctl, None where there is none."""
    if path := shutil.which("pg_ctl"):
        return Path(path).resolve().parent
    found = [p for place in PLACES for p in Path("/").glob(place[1:]) if (p / "initdb").exists()]
    return max(found, key=lambda p: [int(n) for n in filter(str.isdigit, p.parts)], default=None)


class Server:
    """A running server with one superuser, `mlops`."""

    def __init__(self, bin_folder: Path, folder: Path, user: str | None) -> None:
        self.bin_folder, self.folder, self.user = bin_folder, folder, user
        self.port = 0
        self.numbers = itertools.count(1)

    def run(self, program: str, *words: str, check: bool = True) -> bool:
        """Run one of PostgreSQL's programs, as its own user when this process is root's."""
        log = self.folder / f"{program}.log"
        with log.open("w") as out:
            done = subprocess.run(
                [str(self.bin_folder / program), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                check=False,
                timeout=120,
            )
        if check and done.returncode != 0:
            logs = "\n".join(p.read_text() for p in self.folder.glob("*.log"))
            raise NoServer(f"{program} failed:\n{logs}")
        return done.returncode == 0

    def create(self) -> None:
        """Make the files of the server."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if self.user is not None:
            for path in (self.folder, password):
                shutil.chown(path, self.user, self.user)
        auth = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}")
        kind = ("--username=mlops", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.run("initdb", f"--pgdata={self.folder / 'data'}", *kind, *auth)

    def start(self) -> None:
        """Start the server on a free port; try another one if it was taken meanwhile."""
        for attempt in range(3):
            port = self.port or free_port()
            options = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=on"
            options += f" -c unix_socket_directories={self.folder}"
            data, log = str(self.folder / "data"), str(self.folder / "server.log")
            words = ("-w", "-D", data, "-o", options, "-l", log, "start")
            if self.run("pg_ctl", *words, check=attempt == 2):
                self.port = port
                return

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; its connections are cut."""
        self.run("pg_ctl", "-w", "-D", str(self.folder / "data"), "-m", mode, "stop")

    def address(self, options: str = "") -> str:
        """Return the address of the server's database, by TCP and with a password."""
        password = quote(PASSWORD, safe="")
        return f"postgresql://mlops:{password}@127.0.0.1:{self.port}/postgres{options}"

    def new_schema(self) -> str:
        """Make an empty schema; return an address by which it is the only one."""
        import psycopg

        name = f"test{next(self.numbers)}"
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return self.address(f"?options=-csearch_path%3D{name}")


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Run a server until the end of the block. Raises NoServer, with the fix."""
    found = programs()
    if found is None:
        raise NoServer(f"{MISSING}\n  fix: {FIX}")
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to be run by root
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
    with tempfile.TemporaryDirectory(prefix="mlops-nb-pg-") as folder:
        server = Server(found, Path(folder), user)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")  # its files are thrown away


def main() -> int:
    """Install PostgreSQL where none is found; print what to do where that fails."""
    if programs():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        way = "apt-get -q update && apt-get -q install -y --no-install-recommends postgresql"
        print("no PostgreSQL yet, trying:", way, flush=True)
        if subprocess.run(["sh", "-c", way], check=False).returncode == 0 and programs():
            return 0
    print(f"error: {MISSING}")
    print("  fix: apt-get install postgresql, or put pg_ctl of another PostgreSQL on PATH")
    return 2


if __name__ == "__main__":
    sys.exit(main())
