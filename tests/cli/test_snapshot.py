"""A source that never answers twice the same: a proof holds only by a snapshot, and says so."""

import http.server
import itertools
import json
import threading

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

LOAD = """\
# mlops: step load{options}
import json, urllib.request
rows = json.load(urllib.request.urlopen("http://127.0.0.1:{port}/"))"""
REST = (
    "# mlops: step train\nmodel = {'mean': sum(rows) / len(rows)}",
    "# mlops: step judge\nshare = sum(r <= model['mean'] for r in rows)\ntotal = sum(rows)",
    "# mlops: metric share\n# mlops: metric total",
)


@pytest.fixture
def port():
    """A server that has one row more at each call."""
    calls = itertools.count(3)

    class Growing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(list(range(next(calls)))).encode())

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Growing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def promotion(terminal, port, options):
    cells = [new_code_cell(LOAD.format(port=port, options=options)), *map(new_code_cell, REST)]
    book = new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, terminal.folder / "live.ipynb")
    words = ("promote", "live.ipynb", "--name", "live", "--model", "model", "--dry-run")
    return terminal.type(*words)


def test_both_sides_of_a_proof_use_one_snapshot_and_its_age_is_said(terminal, port):
    loose = promotion(terminal, port, "")
    assert loose.status == 1
    assert "does not equal the notebook" in loose.stderr
    held = promotion(terminal, port, " --snapshot 12h")
    assert held.status == 0, held.stderr
    assert held.json["proof"]["equal"]
    assert "`load` is up to date: a snapshot of" in held.json["proof"]["because"]
    again = promotion(terminal, port, " --snapshot 12h")
    assert again.json["metrics"] == held.json["metrics"]  # made of the very same rows
