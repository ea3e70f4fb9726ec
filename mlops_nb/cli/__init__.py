"""The command line `mlops-nb`: its verbs, `--json` on each, and errors with a fix."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import click

from mlops_nb import __version__
from mlops_nb.cli import output
from mlops_nb.errors import MlopsError, Unreachable
from mlops_nb.verbs import VERBS


class Verbs(click.Group):
    """The verbs; each module is imported when one of its verbs is typed."""

    modules = VERBS
    unlisted: ClassVar[dict[str, str]] = {  # no person types them
        "work": "work",
        "attempt": "work",
        "charts": "work",
        "launch": "work",
    }

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the verbs in the order in which a new user needs them."""
        return list(self.modules)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Import the module of a verb and return the verb."""
        import importlib

        module = self.modules.get(name) or self.unlisted.get(name)
        if module is None:
            return None
        found = getattr(importlib.import_module(f"mlops_nb.cli.{module}"), name)
        return found if isinstance(found, click.Command) else None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlops-nb")
def cli() -> None:
    """Turn a notebook into a pipeline that retrains, judges and releases its model by itself."""


def split_parameters(words: Sequence[str]) -> list[str]:
    """Return typed words with `-p NAME=VALUE` as `-p NAME VALUE`.

    >>> split_parameters(["run", "a.ipynb", "-p", "depth=3", "-p", "rate", "x=1"])
    ['run', 'a.ipynb', '-p', 'depth', '3', '-p', 'rate', 'x=1']
    """
    found: list[str] = []
    for word in words:
        name, sign, value = word.partition("=")
        together = found[-1:] == ["-p"] and bool(sign) and name.isidentifier()
        found += [name, value] if together else [word]
    return found


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and end the process with its exit status."""
    signal.signal(signal.SIGTERM, _stop)
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    try:
        status = cli.main(split_parameters(given), prog_name="mlops-nb", standalone_mode=False)
    except MlopsError as error:
        output.print_error(error, as_json=as_json)
        status = error.exit_status
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "mlops-nb"
        output.print_usage_error(error.format_message(), where, as_json=as_json)
        status = 2
    except (click.Abort, KeyboardInterrupt):  # click turns an interrupt into Abort
        click.echo("stopped", err=True)
        status = 130
    except BrokenPipeError:
        status = 1
    except OSError as error:  # such as a folder that cannot be written, or a full disk
        what = f"{error.strerror or error}: {error.filename or 'no file named'}"
        found = Unreachable(what, fix="check that folder's permissions and free space")
        output.print_error(found, as_json=as_json)
        status = found.exit_status
    except Exception as error:  # a bug of mlops_nb, which must be recognisable as one
        if os.environ.get("MLOPS_NB_DEBUG"):
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        found = Unreachable(what, fix="report it with what `MLOPS_NB_DEBUG=1 mlops-nb …` prints")
        output.print_error(found, as_json=as_json)
        status = found.exit_status
    for number in (signal.SIGTERM, signal.SIGINT):  # all is said
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status if isinstance(status, int) else 0)
