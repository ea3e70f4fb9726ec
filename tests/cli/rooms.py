"""Projects with one small notebook, and what became of it when it ran."""

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from typing_in import Terminal


def room(folder, home):
    """Return a terminal in a new project, of a person who has a home already."""
    (folder / "room" / ".git").mkdir(parents=True)
    made = Terminal(folder / "room")
    made.home = home
    return made


def notebook(terminal, *cells):
    book = new_notebook(cells=[new_code_cell(text) for text in cells])
    book.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(book, terminal.folder / "n.ipynb")


def executed(answer):
    book = nbformat.read(answer["output"], 4)
    nbformat.validate(book)
    book.cells = [c for c in book.cells if c.cell_type == "code"]  # papermill puts notes in
    return book


def texts(book):
    return ["".join(o.get("text", "") for o in c.outputs) for c in book.cells]
