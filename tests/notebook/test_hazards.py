"""What of a cell's text a job's reviewer must know of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb.notebook.check import hazards


def found(source):
    return [(h.kind, h.what) for h in hazards(source)]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("password = 'hunter22'", "password"),
        ("DB_PASSWORD: str = 'hunter22'", "DB_PASSWORD"),
        ("config['api_key'] = 'abc12345'", "api_key"),
        ("self.token = 'abc12345'", "token"),
        ("connect(passwd='hunter22')", "passwd"),
        ("d = {'user': 'me', 'password': 'hunter22'}", "password"),
        ("def f(user, password='hunter22'): pass", "password"),
        ("def f(*, access_key='hunter22'): pass", "access_key"),
        ("k = 'AKIA" + "A" * 16 + "'", "a literal that looks like a credential"),
        ("k = 'ghp_" + "a" * 36 + "'", "a literal that looks like a credential"),
        ("k = 'sk-" + "a" * 24 + "'", "a literal that looks like a credential"),
        ("k = '-----BEGIN RSA PRIVATE KEY-----'", "a literal that looks like a credential"),
        (
            "h = 'Bearer eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4'",
            "a literal that looks like a credential",
        ),
    ],
)
def test_a_secret_is_found(source, name):
    assert found(source) == [("secret", name)]


@pytest.mark.parametrize(
    "source",
    [
        "password = ''",
        "password = 'changeme'",
        "token = '<your token>'",
        "api_key = 'xxxxxxxx'",
        "TOKEN = 'your_token_here'",
        "secret = 'None'",
        "password = '${DB_PASSWORD}'",
        "password = '********'",
        "password = None",
        "password = ask()",
        "tokenizer = 'bert-base'",
        "n_tokens = 'many-of-them'",
        "password = 'short'",
        "secret = 'a sentence with words'",
        "passwords = ['hunter22']",
        "d = {**e, 'user': 'somebody'}",
    ],
)
def test_a_placeholder_is_no_secret(source):
    assert found(source) == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os; os.environ['A']; os.getenv('B'); os.environ.get('C', '')", ["A", "B", "C"]),
        ("from os import environ as e\ne['A']", ["A"]),
        ("from os import getenv\ngetenv('A')", ["A"]),
        ("import os\nos.environ[name]", ["*"]),
        ("import os\nos.getenv(name)", ["*"]),
    ],
)
def test_environment_variables_are_named(source, names):
    assert found(source) == [("environment", name) for name in names]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x = input('which?')", "input"),
        ("import getpass as g\ng.getpass()", "getpass"),
        ("from getpass import getpass\np = getpass()", "getpass"),
    ],
)
def test_a_question_to_a_person_is_found(source, name):
    assert ("prompt", name) in found(source)


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("https://example.org/a.csv", "host", "example.org"),
        ("https://example.org:8443/a.csv", "host", "example.org"),
        ("s3://bucket/key", "host", "bucket"),
        ("postgresql://me@db.example/x", "host", "db.example"),
        ("postgresql://me:{pw}@db.example/x", "host", "db.example"),
        ("/data/x.csv", "path", "/data/x.csv"),
        ("../x.csv", "path", "../x.csv"),
        ("~/x.csv", "path", "~/x.csv"),
        ("C:\\\\a\\\\b.csv", "path", "C:\\a\\b.csv"),
        ("data/x.csv", "file", "data/x.csv"),
        ("x.parquet", "file", "x.parquet"),
    ],
)
def test_hosts_paths_and_files_are_named(text, kind, what):
    assert found(f"x = read('{text}')") == [(kind, what)]


def test_a_password_inside_a_url_is_a_secret_and_the_host_is_still_named():
    assert found("u = 'postgresql://me:pw123@db.example/x'") == [
        ("secret", "a literal that looks like a credential"),
        ("host", "db.example"),
    ]


@pytest.mark.parametrize("text", ["a / b", "<a href=/x>", "50 %", "train", "me@example.org", "n/a"])
def test_ordinary_text_is_no_hazard(text):
    assert found(f"x = '{text}'") == []


def test_a_hazard_knows_its_line():
    assert [h.line for h in hazards("x = 1\n\npassword = 'hunter22'")] == [3]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="pasword=':/@{}()[]% \n.e~", max_size=60))
def test_no_text_whatever_makes_it_raise(source):
    assert isinstance(hazards(source), list)
