"""Sees to it that a Chromium is there: the machine's, else Debian's package, else Playwright's."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str:
    """Return a Chromium's path, "" where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        return own if os.path.exists(own) else ""


def main() -> int:
    """Install a Chromium where none is found; say what to do where that fails."""
    if found():
        return 0
    ways = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = "apt-get -q update && apt-get -q install -y --no-install-recommends chromium"
        ways.insert(0, ["sh", "-c", install])
    for way in ways:
        print("no Chromium yet, trying:", " ".join(way), flush=True)
        if subprocess.run(way, check=False).returncode == 0 and found():
            return 0
    print("error: no Chromium was found, and the panel is tested in a real browser")
    print("  fix: apt-get install chromium, or put chromium or google-chrome on PATH")
    return 2


if __name__ == "__main__":
    sys.exit(main())
