"""The README agrees with the command line, and its links lead to files."""

import re
from pathlib import Path

import click
import pytest

from mlops_nb.cli import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shown() -> list[str]:
    """Return the verbs that `--help` lists."""
    context = click.Context(cli)
    return [n for n in cli.list_commands(context) if not cli.get_command(context, n).hidden]


def verbs() -> list[str]:
    context = click.Context(cli)
    return [
        f"| `{name}` | {cli.get_command(context, name).get_short_help_str(200)} |"
        for name in shown()
    ]


def test_the_table_of_verbs_is_what_help_says():
    table = README.split("|---|---|\n")[1].split("<!-- end of verbs -->")[0]
    assert table.strip().splitlines() == verbs()


def test_every_file_that_the_readme_links_to_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("words", re.findall(r"^    mlops-nb ([a-z]+)", README, re.MULTILINE))
def test_every_command_of_the_readme_is_a_verb(words):
    assert words in cli.list_commands(click.Context(cli))


@pytest.mark.parametrize("name", shown())
def test_every_verb_takes_json_and_says_what_each_option_is_for(name):
    command = cli.get_command(click.Context(cli), name)
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert "--json" in [o.opts[0] for o in options]
    assert [o.opts[0] for o in options if not o.help] == []
