"""Pseudonyms: keyed, the same for a value however it came, with one key for all processes."""

import hashlib
import hmac
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb.errors import MlopsError
from mlops_nb.serving import pseudonyms
from mlops_nb.serving.pseudonyms import Pseudonyms, text_of

MAKE = """
import sys
from pathlib import Path
from mlops_nb.serving.pseudonyms import read_or_make
sys.stdin.read(1)
print(read_or_make(Path(sys.argv[1])).hex())
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / ".mlops"
    made.mkdir(mode=0o700)
    return made


def test_a_pseudonym_is_the_hmac_of_the_value_with_the_key_of_the_project(folder):
    made = Pseudonyms(folder)
    found = made.of("서울")
    key = bytes.fromhex((folder / "predictions.key").read_text().strip())
    assert found == hmac.digest(key, "서울".encode(), hashlib.sha256).hex()[:32]
    assert Pseudonyms(folder).of("서울") == found
    assert made.of(None) is None
    assert (folder / "predictions.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["predictions.key"]


@settings(deadline=None)
@given(st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False)))
def test_values_with_different_texts_have_different_pseudonyms(value):
    made = Pseudonyms.__new__(Pseudonyms)
    made.key = b"k" * 32
    others = ("", "a", "1", "true", "1.5")
    assert [made.of(value) == made.of(one) for one in others] == [
        text_of(value) == o for o in others
    ]


@settings(deadline=None)
@given(st.integers(-(2**53), 2**53))
def test_a_number_has_one_pseudonym_as_int_float_and_text(number):
    assert text_of(number) == text_of(float(number)) == text_of(str(number))


def test_processes_that_make_the_key_at_the_same_time_get_the_same(folder):
    words = [sys.executable, "-c", MAKE, str(folder / "predictions.key")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(words, **pipes) for _ in range(6)]
    for one in started:
        one.stdin.write("x")
        one.stdin.flush()
    found = {one.communicate()[0] for one in started}
    assert len(found) == 1
    assert len([*folder.iterdir()]) == 1


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, b"0" * 63])
def test_a_damaged_key_is_an_error_and_never_replaced(folder, content):
    (folder / "predictions.key").write_bytes(content)
    with pytest.raises(MlopsError, match="holds no key"):
        pseudonyms.read_or_make(folder / "predictions.key")
    assert (folder / "predictions.key").read_bytes() == content
