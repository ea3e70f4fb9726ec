"""The server's route answers the panel, and refuses paths and requests that it must refuse."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_nb.errors import Refused
from mlops_nb.jupyter.handlers.pipeline import read_request
from mlops_nb.jupyter.pipeline_process import DEADLINE, PipelineProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from jupyter_server.serverapp import ServerApp
    from tornado.httpclient import AsyncHTTPClient, HTTPResponse

    Ask = Callable[..., Awaitable[HTTPResponse]]

FORBIDDEN = {401, 403}


@pytest.fixture
def ask(jp_fetch: Callable[..., Awaitable[HTTPResponse]]) -> Ask:
    """Post a request of the panel; answers of any status come back."""

    async def post(body: object, **options: object) -> HTTPResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return await jp_fetch(
            "mlops-nb",
            "api",
            "pipeline",
            method="POST",
            body=text,
            raise_error=False,
            **options,
        )

    return post


def notebook(*sources: str) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def two_steps() -> dict[str, Any]:
    return notebook(
        "# mlops: step load\nraw = [1, 2, 3]",
        "# mlops: step total\ntotal = sum(raw)",
    )


async def test_the_pipeline_of_the_notebook_in_the_editor_is_returned(ask: Ask) -> None:
    response = await ask({"path": "flights.ipynb", "content": two_steps()})
    answer = json.loads(response.body)
    assert response.code == 200
    graph = answer["graph"]
    assert graph["version"] == 1
    assert {name: step["state"] for name, step in answer["steps"].items()} == {
        "load": "never",
        "total": "never",
    }
    assert [step["name"] for step in graph["steps"]] == ["load", "total"]
    assert graph["edges"] == [["load", "total", ["raw"]]]


async def test_unsaved_edits_win_over_the_saved_file(ask: Ask, jp_root_dir: Path) -> None:
    saved = json.dumps(notebook("# mlops: step old\nx = 1"))
    (jp_root_dir / "flights.ipynb").write_text(saved)
    response = await ask({"path": "flights.ipynb", "content": two_steps()})
    names = [step["name"] for step in json.loads(response.body)["graph"]["steps"]]
    assert names == ["load", "total"]


async def test_without_content_the_saved_file_is_read(ask: Ask, jp_root_dir: Path) -> None:
    (jp_root_dir / "flights.ipynb").write_text(json.dumps(two_steps()))
    response = await ask({"path": "flights.ipynb"})
    names = [step["name"] for step in json.loads(response.body)["graph"]["steps"]]
    assert names == ["load", "total"]


async def test_each_cell_is_named_by_its_id(ask: Ask) -> None:
    content = two_steps()
    response = await ask({"path": "flights.ipynb", "content": content})
    cells = json.loads(response.body)["graph"]["cells"]
    assert [cell["id"] for cell in cells] == [cell["id"] for cell in content["cells"]]


async def test_a_wrong_token_is_refused(ask: Ask) -> None:
    request = {"path": "flights.ipynb", "content": two_steps()}
    response = await ask(request, headers={"Authorization": "token wrong"})
    assert response.code in FORBIDDEN
    assert b"load" not in response.body


async def test_no_token_at_all_is_refused(
    http_server_client: AsyncHTTPClient, jp_serverapp: ServerApp
) -> None:
    response = await http_server_client.fetch(
        f"{jp_serverapp.base_url}mlops-nb/api/pipeline",
        method="POST",
        body=json.dumps({"path": "flights.ipynb", "content": two_steps()}),
        raise_error=False,
    )
    assert response.code in FORBIDDEN


@pytest.mark.parametrize("path", ["../flights.ipynb", "a/../../flights.ipynb", "/etc/passwd"])
async def test_a_path_outside_the_root_is_refused(ask: Ask, path: str) -> None:
    response = await ask({"path": path, "content": two_steps()})
    answer = json.loads(response.body)
    assert response.code == 400
    assert "outside" in answer["error"]
    assert answer["fix"]
    assert answer["where"] == path


async def test_steps_that_form_a_circle_are_answered_with_a_fix(ask: Ask) -> None:
    circle = notebook(
        "# mlops: step load\nraw = [1]",
        "# mlops: step total\ntotal = sum(raw)",
        "# mlops: step load\nrows = [total]",
    )
    response = await ask({"path": "flights.ipynb", "content": circle})
    answer = json.loads(response.body)
    assert response.code == 422
    assert set(answer) == {"error", "fix", "where"}
    assert answer["fix"]


@pytest.mark.parametrize(
    "body",
    ["no json", "[]", "{}", '{"path": 3}', '{"path": ""}', '{"path": "a", "content": []}'],
)
async def test_a_malformed_request_says_how_to_post(ask: Ask, body: str) -> None:
    response = await ask(body)
    assert response.code == 400
    assert "POST" in json.loads(response.body)["fix"]


def test_a_null_byte_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="path"):
        read_request(json.dumps({"path": "a\0.ipynb"}).encode(), root=tmp_path)


DEEP = 20_000
SECRET = "# mlops: step secret\nx = 1"


def answered(response: HTTPResponse, status: int) -> dict[str, Any]:
    """Return the error of a response, which names no path of this machine."""
    found = json.loads(response.body)
    assert response.code == status, found
    assert set(found) == {"error", "fix", "where"}
    assert found["error"]
    assert found["fix"]
    return dict(found)


@pytest.mark.parametrize(
    "body",
    [
        "[" * DEEP + "]" * DEEP,
        '{"path": "a.ipynb", "content": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
        '{"path": "a\\ud800.ipynb"}',
        '{"path": "a.ipynb", "content": {"\\udfff": 1}}',
        '{"path": "a.ipynb", "content": ' + "1" * 5000 + "}",
        '{"path": "' + "a" * 5000 + '.ipynb"}',
        '{"path": "' + "a/" * 5000 + 'b.ipynb"}',
    ],
    ids=["lists", "objects", "path", "content", "number", "name", "folders"],
)
async def test_a_body_that_no_notebook_has_is_malformed(ask: Ask, body: str) -> None:
    answered(await ask(body), 400)


@pytest.mark.parametrize(
    "body", [b'{"path": "\xed\xa0\x80"}', b"\xff", '{"path": "a"}'.encode("utf-16")]
)
async def test_a_body_that_is_no_utf_8_is_malformed(ask: Ask, jp_fetch: Any, body: bytes) -> None:
    response = await jp_fetch(
        "mlops-nb", "api", "pipeline", method="POST", body=body, raise_error=False
    )
    answered(response, 400)


@pytest.mark.parametrize(
    "source",
    ["-" * DEEP + "1", "not " * DEEP + "1", "a" + ".b" * DEEP, "(" * DEEP, "x = 1" + " + 1" * DEEP],
)
async def test_code_that_is_nested_too_deeply_is_malformed(ask: Ask, source: str) -> None:
    response = await ask({"path": "a.ipynb", "content": notebook(source)})
    if source.startswith("("):  # which Python itself calls a syntax error
        assert json.loads(response.body)["graph"]["warnings"][0]["kind"] == "syntax"
    else:
        assert "nested too deeply" in answered(response, 400)["error"]


async def test_half_of_a_character_in_a_cell_is_malformed(ask: Ask) -> None:
    answered(await ask({"path": "a.ipynb", "content": notebook("x = '\ud800'")}), 400)


@pytest.mark.parametrize("saved", [False, True], ids=["editor", "file"])
async def test_a_cell_of_8_mb_is_refused_at_once(
    ask: Ask, jp_root_dir: Path, *, saved: bool
) -> None:
    content = notebook("x = 1", "rows = [" + "1," * 4_000_000 + "]")
    (jp_root_dir / "a.ipynb").write_text(json.dumps(content))
    began = time.monotonic()
    found = answered(await ask({"path": "a.ipynb"} | ({} if saved else {"content": content})), 413)
    assert "cell 2" in found["error"]
    assert time.monotonic() - began < DEADLINE
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_000_000  # KiB


async def test_a_request_over_the_limit_is_refused(ask: Ask) -> None:
    assert "100 MB" in answered(await ask(" " * 100_000_001), 413)["error"]


def test_a_notebook_that_takes_too_long_ends_at_the_deadline(tmp_path: Path) -> None:
    process = PipelineProcess(tmp_path, deadline=2)
    slow = {"path": "a.ipynb", "content": notebook(*["x = [" + "1," * 450_000 + "]"] * 40)}
    began = time.monotonic()
    status, text = process.ask(json.dumps(slow).encode(), allow_hidden=False)
    assert status == 422
    assert "longer than 2 s" in json.loads(text)["error"]
    assert time.monotonic() - began < DEADLINE
    process.deadline = DEADLINE  # it starts again, which takes long on a busy machine
    quick = {"path": "a.ipynb", "content": two_steps()}
    assert process.ask(json.dumps(quick).encode(), allow_hidden=False)[0] == 200


def test_a_reader_that_is_killed_is_started_again(tmp_path: Path) -> None:
    process = PipelineProcess(tmp_path)
    body = json.dumps({"path": "a.ipynb", "content": two_steps()}).encode()
    assert process.ask(body, allow_hidden=False)[0] == 200
    os.kill(process.started[0].pid, signal.SIGKILL)
    statuses = [process.ask(body, allow_hidden=False)[0] for _ in range(2)]
    assert statuses[-1] == 200
    assert set(statuses) <= {200, 422}


@pytest.fixture
def outside(jp_root_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder beside the root, with a notebook, to which links in the root lead."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "a.ipynb").write_text(json.dumps(notebook(SECRET)))
    (jp_root_dir / "folder").symlink_to(folder)
    (jp_root_dir / "file.ipynb").symlink_to(folder / "a.ipynb")
    (jp_root_dir / "circle").symlink_to(jp_root_dir / "circle")
    (jp_root_dir / ".hidden").mkdir()
    (jp_root_dir / ".hidden" / "a.ipynb").write_text(json.dumps(notebook(SECRET)))
    (jp_root_dir / ".b.ipynb").write_text(json.dumps(notebook(SECRET)))
    (jp_root_dir / "seen.ipynb").symlink_to(jp_root_dir / ".b.ipynb")
    (jp_root_dir / "within.ipynb").symlink_to(jp_root_dir / "inner.ipynb")
    (jp_root_dir / "inner.ipynb").write_text(json.dumps(two_steps()))
    return folder


LEADING_OUT = ["folder/a.ipynb", "file.ipynb", "folder/../a.ipynb", "circle/a.ipynb"]


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("path", LEADING_OUT)
async def test_a_symbolic_link_does_not_leave_the_root(ask: Ask, path: str) -> None:
    response = await ask({"path": path})
    assert answered(response, 400)
    assert b"secret" not in response.body


@pytest.mark.usefixtures("outside")
async def test_a_symbolic_link_within_the_root_is_followed(ask: Ask) -> None:
    assert (await ask({"path": "within.ipynb"})).code == 200


HIDDEN = [".b.ipynb", ".hidden/a.ipynb", "seen.ipynb", ".hidden/none.ipynb", ".none/a.ipynb"]


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("path", HIDDEN)
async def test_hidden_files_are_not_shown(ask: Ask, path: str) -> None:
    response = await ask({"path": path})
    assert "hidden" in answered(response, 400)["error"]
    assert b"secret" not in response.body


@pytest.mark.usefixtures("outside")
async def test_hidden_files_are_shown_if_jupyter_shows_them(
    ask: Ask, jp_serverapp: ServerApp
) -> None:
    jp_serverapp.contents_manager.allow_hidden = True
    for path in (".b.ipynb", ".hidden/a.ipynb", "seen.ipynb"):
        assert (await ask({"path": path})).code == 200


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "path",
    ["none.ipynb", "none/a.ipynb", "a.py", "folder", ".", "noread.ipynb", "inner.ipynb/a.ipynb"],
)
async def test_an_answer_names_no_path_of_the_machine(
    ask: Ask, jp_root_dir: Path, path: str
) -> None:
    (jp_root_dir / "noread.ipynb").mkdir()
    response = await ask({"path": path})
    assert 400 <= response.code < 500
    assert str(jp_root_dir).encode() not in response.body
    assert b".b.ipynb" not in response.body


texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
sources = st.sampled_from(
    [
        "x = 1",
        "# mlops: step a\ny = x",
        "%mlops step b --after a",
        "%mlops metric",
        "%mlops step",
        "depth = 1e999",
        "import a; a.b[0] = 1",
        "%%time\nx = (",
        "x = '\ud800'",
        "\0",
        "?x",
    ]
)
cell = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw"]) | values},
    optional={
        "source": sources | texts | st.lists(sources, max_size=3) | values,
        "id": texts | values,
        "metadata": st.fixed_dictionaries({"tags": st.lists(st.just("parameters")) | values})
        | values,
        "outputs": values,
        "execution_count": values,
    },
)
contents = st.fixed_dictionaries(
    {
        "cells": st.lists(cell, max_size=5) | values,
        "nbformat": st.sampled_from([1, 2, 3, 4, 5, 4.0]),
    },
    optional={"metadata": values, "nbformat_minor": values, "worksheets": values},
)
paths = st.lists(
    st.sampled_from(["..", ".", "folder", "file.ipynb", "inner.ipynb", ".hidden", "a.ipynb", "~"])
    | texts,
    max_size=4,
).map("/".join)
bodies = (
    st.binary(max_size=50)
    | values.map(lambda v: json.dumps(v).encode())
    | st.fixed_dictionaries({"path": paths | values}, optional={"content": contents | values}).map(
        lambda v: json.dumps(v).encode()
    )
)


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.usefixtures("outside")
async def test_no_request_fails_the_server(jp_fetch: Any, jp_root_dir: Path) -> None:
    route = ("mlops-nb", "api", "pipeline")
    for body in examples(bodies, 400):
        response = await jp_fetch(*route, method="POST", body=body, raise_error=False)
        found = json.loads(response.body, parse_constant=no_constant)
        assert response.code in {200, 400, 413, 422}, (body, found)
        assert str(jp_root_dir).encode() not in response.body
        assert b'"secret"' not in response.body, body


def examples(strategy: st.SearchStrategy[bytes], number: int) -> list[bytes]:
    """Return examples of a strategy: a test of hypothesis cannot await."""
    found: list[bytes] = []

    @settings(
        max_examples=number, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )
    @given(strategy)
    def collect(one: bytes) -> None:
        found.append(one)

    collect()
    return found
