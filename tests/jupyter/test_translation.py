"""Each sentence of the panel's TypeScript is translated, and JupyterLab finds the translations."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jupyterlab_server.translation_utils import get_language_pack, get_language_packs

import mlops_nb
from mlops_nb.locale import LanguagePack

SOURCES = sorted((Path(__file__).parents[2] / "labextension" / "src").glob("*.ts*"))
TEXT = r"'((?:[^'\\]|\\.)*)'"
CALL = re.compile(rf"\b(?:__|_n)\(\s*{TEXT}(?:,\s*{TEXT})?")
ANY_CALL = re.compile(r"\btrans\.(?:__|_n)\(")
SPOKEN = re.compile(r">([^<>{}=;()]*[A-Za-z]{2,}[^<>{}=;()]*)</(\w+)")
NAMED = re.compile(r'\b(?:title|aria-label|label)="([^"]*[A-Za-z]{2,}[^"]*)"')
ARGUMENT = re.compile(r"%\d")
KOREAN = Path(mlops_nb.__file__).parent / "locale/ko_KR/LC_MESSAGES/mlops_nb.json"


def sentences() -> dict[str, str]:
    """Return the sentences of the sources, each with its plural or ""."""
    found = {}
    for source in SOURCES:
        text = source.read_text("utf-8")
        calls = list(CALL.finditer(text))
        assert len(calls) == len(ANY_CALL.findall(text)), f"a computed sentence in {source.name}"
        found |= {call[1].replace("\\'", "'"): call[2] or "" for call in calls}
    return found


@pytest.fixture(scope="module")
def korean() -> dict[str, list[str]]:
    found = json.loads(KOREAN.read_text("utf-8"))
    about = found.pop("")
    assert (about["language"], about["plural_forms"]) == ("ko-KR", "nplurals=1; plural=0;")
    return found


def test_each_sentence_has_a_translation_and_no_other_has(korean):
    assert sorted(sentences()) == sorted(korean)
    assert len(korean) > 150


def test_a_translation_takes_the_same_arguments(korean):
    plurals = sentences()
    for sentence, found in korean.items():
        assert len(found) == (2 if plurals[sentence] else 1), sentence
        for one in found:
            assert sorted(ARGUMENT.findall(one)) == sorted(ARGUMENT.findall(sentence)), sentence
            assert re.search("[가-힣]", one) or one == sentence == "MLOps", sentence


def test_no_text_is_shown_untranslated():
    """What is typed in a terminal or a notebook is code, and Python's own words stay."""
    for source in SOURCES:
        text = source.read_text("utf-8")
        spoken = [what.strip() for what, tag in SPOKEN.findall(text) if tag != "code"]
        assert [what for what in spoken if what not in {"True", "False"}] == [], source.name
        assert NAMED.findall(text) == [], source.name


def test_jupyterlab_offers_korean_and_finds_the_sentences(korean):
    languages, problems = get_language_packs()
    assert (languages["ko_KR"]["nativeName"], problems) == ("한국어 (대한민국)", "")
    found, problems = get_language_pack("ko_KR")
    assert problems == ""
    assert {name: found["mlops_nb"][name] for name in korean} == korean


def test_the_pack_of_jupyterlab_itself_is_taken_where_it_is_there(tmp_path, monkeypatch):
    """Of two packs of a language JupyterLab takes one: its own sentences must not get lost."""
    sentence = {"": {"language": "ko-KR"}, "File": ["파일"]}
    pack = tmp_path / "other_pack" / "locale" / "ko_KR" / "LC_MESSAGES"
    pack.mkdir(parents=True)
    (tmp_path / "other_pack" / "__init__.py").write_text('"""A language pack."""')
    (pack / "jupyterlab.json").write_text(json.dumps(sentence))
    about = tmp_path / "other_pack-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other-pack\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[jupyterlab.languagepack]\nko_KR = other_pack\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert LanguagePack("ko_KR").__file__ == str(tmp_path / "other_pack" / "__init__.py")
    found, problems = get_language_pack("ko_KR")
    assert problems == ""
    assert found["jupyterlab"] == sentence
    assert found["mlops_nb"]["Runs"] == ["실행"]


def test_another_language_stays_english():
    found, _ = get_language_pack("fr_FR")
    assert found == {}
