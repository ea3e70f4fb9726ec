"""Files are written whole or not at all."""

import hashlib
import os

import pytest

from mlops_nb import files


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_and_written_again(tmp_path):
    place = tmp_path / "deep" / "down" / "a.txt"
    files.write_text(place, "grüße\n")
    files.write_text(place, "안녕")
    assert place.read_bytes() == "안녕".encode()
    assert names_in(place.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path):
    place = tmp_path / "a.txt"
    files.write_bytes(place, b"old")
    with pytest.raises(TypeError):
        files.write_bytes(place, "text, not bytes")
    assert place.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_folder_in_the_way_leaves_no_part(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError):  # noqa: PT011  which one it is differs from system to system
        files.write_bytes(tmp_path / "a.txt", b"x")
    assert names_in(tmp_path) == ["a.txt"]


def test_a_written_file_has_the_rights_that_others_expect(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_very_long_name_is_written_too(tmp_path):
    files.write_bytes(tmp_path / ("x" * 250), b"y")
    assert names_in(tmp_path) == ["x" * 250]


def test_sha256_is_of_all_bytes(tmp_path):
    data = b"a" * (3 << 20) + b"b"
    (tmp_path / "a").write_bytes(data)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_a_folder_is_read_as_it_was_written(tmp_path):
    contents = {"a.txt": b"1", "modules/p/__init__.py": b"", "modules/p/q.py": b"x = 1"}
    files.write_folder(tmp_path / "f", contents)
    (tmp_path / "f" / "modules" / "__pycache__").mkdir()
    (tmp_path / "f" / "modules" / "__pycache__" / "q.pyc").write_bytes(b"z")
    assert files.read_folder(tmp_path / "f") == contents


def test_a_local_module_is_a_file_or_a_package_in_the_first_place_that_has_it(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    files.write_folder(two, {"m.py": b"far", "p/__init__.py": b"", "p/in/deep.py": b"d = 1"})
    files.write_folder(one, {"m.py": b"near", "folder/no_init.py": b""})
    assert files.local_module("m", [one, two]) == {"m.py": "near"}
    assert files.local_module("p", [one, two]) == {"p/__init__.py": "", "p/in/deep.py": "d = 1"}
    assert files.local_module("folder", [one, two]) is None
    assert files.local_module("json", [one, two]) is None
