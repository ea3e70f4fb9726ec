"""Verbs that explain results: diff, lineage."""

import click

from mlops_nb.cli import output
from mlops_nb.cli.output import as_json_option
from mlops_nb.project import open_project


@click.command()
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@as_json_option
def diff(before: str, after: str, *, as_json: bool) -> int:
    """Show what changed from one RUN to another: code, parameters, data, packages, metrics."""
    from mlops_nb.lineage import diff as run_diff

    found = open_project().diff(before, after)
    output.emit(found, "" if as_json else run_diff.as_text(found), as_json=as_json)
    return 0


@click.command()
@click.argument("name")
@click.option("--notebook", default="", metavar="NB", help="Take the latest run of NB.")
@click.option("--run", default="", metavar="RUN", help="Take RUN instead of the latest run.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@as_json_option
def lineage(name: str, *, notebook: str, run: str, mermaid: bool, as_json: bool) -> int:
    """Show what the value NAME was made from, in the latest finished run."""
    from mlops_nb.lineage import graph as lineage_graph

    of, root, part = open_project().lineage(name, notebook=notebook, run=run)
    if as_json:
        output.emit(lineage_graph.as_json(name, of, part), "", as_json=True)
    else:
        click.echo(lineage_graph.as_mermaid(part) if mermaid else lineage_graph.as_text(part, root))
    return 0
