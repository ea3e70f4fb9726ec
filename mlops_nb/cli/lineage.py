"""Verbs that tell where things come from: diff, lineage."""

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.lineage import diff as differences
from mlops_nb.lineage import graph as lineages
from mlops_nb.project import open_project


@click.command()
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@as_json_option
def diff(before: str, after: str, *, as_json: bool) -> int:
    """Show what changed from one RUN to another: code, parameters, data, packages, metrics."""
    found = open_project().diff(before, after)
    output.emit(found, "" if as_json else differences.as_text(found), as_json=as_json)
    return 0


@click.command()
@click.argument("name")
@click.option("--notebook", default="", metavar="NB", help="Of the latest run of NB.")
@click.option("--run", default="", metavar="RUN", help="Of RUN, instead of the latest one.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@as_json_option
def lineage(name: str, *, notebook: str, run: str, mermaid: bool, as_json: bool) -> int:
    """Show everything behind the value NAME, as the latest finished run made it."""
    of, root, part = open_project().lineage(name, notebook=notebook, run=run)
    if as_json:
        output.emit(lineages.as_json(name, of, part), "", as_json=True)
    else:
        click.echo(lineages.as_mermaid(part) if mermaid else lineages.as_text(part, root))
    return 0
