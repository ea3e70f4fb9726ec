"""What was written is read back as it was: its content, its sharing, and nothing damaged."""

import collections
import datetime
import decimal
import errno
import functools
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import textwrap
import zoneinfo
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from small_disk import mounted

from mlops_nb import probe
from mlops_nb.probe.fingerprint.digest import digest
from mlops_nb.probe.values import save_load

F = pd.DataFrame
SLOW = settings(max_examples=100, deadline=None)
DAYS = pd.date_range("2020", periods=3)
NOISE = np.random.default_rng(0)
Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024  the old way is a way too


class Owner:
    def __init__(self, **parts):
        vars(self).update(parts)


class Slotted:
    __slots__ = ("part",)

    def __init__(self, part):
        self.part = part


def through(folder, given):
    """Write values and read them again; return their formats by name, and the values."""
    entries = json.loads(json.dumps(save_load.write(given, str(folder))))
    space = {}
    answer = save_load.read([e for e in entries if "file" in e], space)
    assert answer["damaged"] == []
    forms = {name: e.get("format", "error") for e in entries for name in e["names"]}
    return forms, space


def with_attrs(frame):
    frame.attrs["unit"] = "m"
    return frame


def tree():
    return DecisionTreeClassifier(random_state=0).fit(np.arange(20).reshape(-1, 1), [0, 1] * 10)


SQUARE = np.arange(12.0).reshape(3, 4)
TEXTS = F({"a": [1.5, float("nan"), -0.0], "b": ["x", None, "ü"], "t": DAYS})
ZOO = {
    "none": (None, "pickle"),
    "true": (True, "pickle"),
    "a large number": (2**3000, "pickle"),
    "a larger number": (2**20_000, "pickle"),
    "a float": (0.1, "pickle"),
    "negative zero": (-0.0, "pickle"),
    "nan": (float("nan"), "pickle"),
    "infinity": ([float("inf")], "pickle"),
    "text": ("ü\n\0\U0001f600", "pickle"),
    "a lone surrogate": ("\ud800", "pickle"),
    "surrogates that would join": ("\ud83d\ude00", "pickle"),
    "nested": ({"a": [1, {"b": [None, "c", 2.5]}], "": []}, "pickle"),
    "a tuple": ((1, 2), "pickle"),
    "a tuple inside": ([1, (2,)], "pickle"),
    "keys that are numbers": ({1: 2}, "pickle"),
    "bytes": (b"\0x", "pickle"),
    "deep": (functools.reduce(lambda inner, _: [inner], range(60), []), "pickle"),
    "long": (list(range(20_000)), "pickle"),
    "a set": ({1, 2, "a"}, "pickle"),
    "an ordered dict": (collections.OrderedDict(a=1), "pickle"),
    "a named tuple": (Pair(1, [2]), "pickle"),
    "a time": (datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "pickle"),
    "a zone": (zoneinfo.ZoneInfo("Asia/Seoul"), "pickle"),
    "a decimal": (decimal.Decimal("1.10"), "pickle"),
    "numbers": (SQUARE, "npy"),
    "Fortran order": (np.asfortranarray(SQUARE), "npy"),
    "every other": (SQUARE[::2, ::-1], "npy"),
    "no dimension": (np.array(1.5), "npy"),
    "empty": (np.zeros((0, 3)), "npy"),
    "big endian": (np.arange(3, dtype=">i4"), "npy"),
    "half floats": (np.arange(3, dtype="f2"), "npy"),
    "long doubles": (np.arange(3, dtype=np.longdouble), "npy"),
    "complex": (np.array([1j, complex("nan")]), "npy"),
    "texts in an array": (np.array(["a", "bcd"]), "npy"),
    "dates in an array": (np.array(["2020", "NaT"], "M8[D]"), "npy"),
    "an array that cannot be written to": (np.broadcast_to(np.arange(3), (1000, 3)), "pickle"),
    "objects in an array": (np.array([1, "a", [2]], object), "pickle"),
    "fields": (np.array([(1, 2.0)], [("a", int), ("b", float)]), "pickle"),
    "a masked array": (np.ma.array([1, 2], mask=[0, 1]), "pickle"),
    "a record array": (np.array([1]).view(np.recarray), "pickle"),
    "a dtype with a note": (np.zeros(2, np.dtype("f8", metadata={"a": 1})), "pickle"),
    "a numpy number": (np.float32(1.5), "pickle"),
    "a generator of numbers": (np.random.default_rng(3), "pickle"),
    "a frame": (TEXTS, "pickle"),
    "a frame without rows": (TEXTS.head(0), "pickle"),
    "some rows": (TEXTS[::-1], "pickle"),
    "shuffled rows": (F({"a": [1, 2, 3]}, index=[2, 0, 1]), "pickle"),
    "a named index": (F({"a": [1, 2]}).rename_axis("i"), "pickle"),
    "an index named as a column": (F({"a": [1]}).rename_axis("a"), "pickle"),
    "small numbers": (F({"a": np.array([1, 2], "i1"), "b": np.array([True, False])}), "pickle"),
    "half floats in a frame": (F({"a": np.array([1], "f2")}), "pickle"),
    "lengths of time": (F({"a": DAYS - DAYS[0]}), "pickle"),
    "seconds": (F({"a": np.array(["2020", "NaT"], "M8[s]")}), "pickle"),
    "a frame of zones": (F({"a": DAYS.tz_localize("Asia/Seoul")}), "pickle"),
    "days as index": (F({"a": [1, 2, 3]}, index=DAYS), "pickle"),
    "texts as index": (F({"a": [1]}, index=["x"]), "pickle"),
    "columns of one name": (F([[1, 2]], columns=["a", "a"]), "pickle"),
    "columns that are numbers": (F([[1, 2]]), "pickle"),
    "named columns": (F({"a": [1]}).rename_axis("c", axis=1), "pickle"),
    "object columns of texts": (F({"a": pd.Series(["x"], dtype=object)}), "pickle"),
    "a frame's attrs": (with_attrs(F({"a": [1]})), "pickle"),
    "no duplicate labels": (F({"a": [1]}).set_flags(allows_duplicate_labels=False), "pickle"),
    "categories": (F({"a": pd.Categorical(["x"], categories=["y", "x"])}), "pickle"),
    "nullable": (F({"a": pd.array([1, None], "Int64")}), "pickle"),
    "Python's own texts": (F({"a": pd.array(["x"], pd.StringDtype("python"))}), "pickle"),
    "no columns": (F(index=[1, 2]), "pickle"),
    "levels": (F({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, "x")])), "pickle"),
    "a series": (TEXTS["b"], "pickle"),
    "an index": (DAYS, "pickle"),
    "polars": (pl.DataFrame({"a": [1, None], "b": ["x", "ü"], "c": [float("nan"), 1]}), "pickle"),
    "polars lists": (pl.DataFrame({"a": [[1], [2, 3]]}), "pickle"),
    "a polars series": (pl.Series("a", [1, 2]), "pickle"),
    "sparse": (scipy.sparse.eye(5, format="csr"), "pickle"),
    "an estimator": (make_pipeline(StandardScaler(), tree()), "pickle"),
    "an object": (Owner(a=[1], b=SQUARE), "pickle"),
    "a lambda": (lambda x: x + 1, "pickle"),
    "a module": (json, "pickle"),
}


@pytest.mark.parametrize("name", ZOO)
def test_a_value_comes_back_with_its_digest_and_kind(name, tmp_path):
    value, form = ZOO[name]
    forms, space = through(tmp_path, {"x": value})
    assert forms == {"x": form}
    back = space["x"]
    assert digest(back) == digest(value)
    assert type(back).__qualname__ == type(value).__qualname__
    if isinstance(value, np.ndarray):
        assert (back.dtype, back.shape) == (value.dtype, value.shape)
        assert back.flags.writeable == value.flags.writeable
        assert back.flags.f_contiguous == value.flags.f_contiguous or form == "pickle"
    if isinstance(value, F):
        pd.testing.assert_frame_equal(back, value)
        assert (type(back.index), back.columns.dtype) == (type(value.index), value.columns.dtype)


def test_the_whole_zoo_comes_back_at_once(tmp_path):
    given_ = {f"x{number}": value for number, (value, _) in enumerate(ZOO.values())}
    _, space = through(tmp_path, given_)
    for name, value in given_.items():
        assert digest(space[name]) == digest(value), name


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers()
    | st.dates()
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)
ARRAYS = hn.arrays(
    hn.scalar_dtypes() | hn.array_dtypes(), hn.array_shapes(min_dims=0, min_side=0, max_side=4)
)
COLUMNS = st.sampled_from(
    [
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(st.characters(codec="utf-8")),
        st.booleans(),
        st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),  # noqa: DTZ001
    ]
)


@st.composite
def frames(draw):
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(st.text(max_size=3), unique=True, max_size=4))
    columns = {n: draw(st.lists(draw(COLUMNS), min_size=rows, max_size=rows)) for n in names}
    return F(columns, index=draw(st.permutations(range(rows))) if draw(st.booleans()) else None)


@SLOW
@given(st.dictionaries(st.sampled_from("abc"), NESTED | ARRAYS | frames(), min_size=1))
def test_any_values_come_back_with_their_digests(tmp_path_factory, given_):
    _, space = through(tmp_path_factory.mktemp("any"), given_)
    assert set(space) == set(given_)
    for name, value in given_.items():
        assert digest(space[name]) == digest(value)


# sharing


def test_the_same_object_under_two_names_is_one_again(tmp_path):
    one = [1]
    forms, space = through(tmp_path, {"a": one, "b": {"in": one}, "c": [1]})
    assert forms == {"a": "pickle", "b": "pickle", "c": "pickle"}
    space["a"].append(2)
    assert space["b"]["in"] == [1, 2]
    assert space["c"] == [1]


def test_a_list_that_holds_another_twice_holds_it_twice_again(tmp_path):
    inner = [1]
    _, space = through(tmp_path, {"a": [inner, inner]})
    assert space["a"][0] is space["a"][1]


@pytest.mark.parametrize("size", [100, 1_000_000], ids=["small", "large"])
def test_views_of_one_array_are_views_of_one_array_again(size, tmp_path):
    whole = np.arange(size, dtype=float)
    given_ = {"whole": whole, "part": whole[10:20], "back": whole[::-2], "raw": whole.view("u1")}
    given_["square"], given_["own"] = whole.reshape(10, -1).T, whole.copy()
    given_["fixed"] = whole[15:]
    given_["fixed"].flags.writeable = False
    forms, space = through(tmp_path, given_)
    assert forms["own"] == "npy"
    for name, value in given_.items():
        assert digest(space[name]) == digest(value)
    space["part"][5] = -7
    assert space["whole"][15] == space["fixed"][0] == space["square"].T.reshape(-1)[15] == -7
    assert not space["fixed"].flags.writeable
    assert space["own"][15] == 15


def test_arrays_over_one_buffer_share_it_again(tmp_path):
    buffer = bytearray(16)
    _, space = through(
        tmp_path,
        {
            "a": np.frombuffer(buffer, "u1"),
            "b": np.frombuffer(buffer, "<i4")[1:],
        },
    )
    space["a"][4] = 7
    assert space["b"].tolist() == [7, 0, 0]


def test_an_array_inside_an_object_is_the_one_that_is_named(tmp_path):
    matrix = scipy.sparse.eye(4, format="csr")
    array = np.arange(3)
    _, space = through(
        tmp_path,
        {
            "matrix": matrix,
            "data": matrix.data,
            "owner": Slotted(Owner(x={"k": array})),
            "x": array,
        },
    )
    assert space["matrix"].data is space["data"]
    assert space["owner"].part.x["k"] is space["x"]


def test_an_estimator_holds_the_frame_that_is_named(tmp_path):
    model = tree()
    model.seen = TEXTS
    forms, space = through(tmp_path, {"model": model, "frame": TEXTS, "copy": TEXTS.copy()})
    assert space["model"].seen is space["frame"]
    assert forms["copy"] == "pickle"


def test_a_column_is_no_alias_of_its_frame_and_frames_that_share_lazily_are_apart(tmp_path):
    frame = F({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    given_ = {"frame": frame, "column": frame["a"], "renamed": frame.rename(columns=str.upper)}
    forms, _ = through(tmp_path, given_)
    assert forms == {"frame": "pickle", "column": "pickle", "renamed": "pickle"}
    _, space = through(tmp_path, {"all": list(given_.values())})
    back, column, renamed = space["all"]
    back.iloc[0, 0] = 9.0
    assert (column[0], renamed.iloc[0, 0]) == (1.0, 1.0)


def test_the_array_behind_a_frame_is_behind_it_again(tmp_path):
    frame = F({"a": [1.0, 2.0]})
    given_ = {"frame": frame, "array": frame.to_numpy(), "lazy": frame[:]}
    _, space = through(tmp_path, given_)
    space["frame"].iloc[0, 0] = 9.0
    assert space["array"][0, 0] == 9.0
    assert space["lazy"].iloc[0, 0] == 1.0


def test_lists_in_the_cells_of_a_frame_are_shared_again(tmp_path):
    one = [1]
    _, space = through(tmp_path, {"frame": F({"a": [one, [2]]}), "one": one})
    assert space["frame"]["a"][0] is space["one"]


def test_sharing_that_cannot_be_written_is_said(tmp_path):
    objects, numbers = np.array([1, "a"], object), np.arange(3)
    entries = save_load.write(
        {
            "o": objects,
            "v": objects[1:],
            "n": numbers,
            "m": np.ma.array(numbers, copy=False),
            "x": 1,
        },
        str(tmp_path),
    )
    assert {n for e in entries if "error" in e for n in e["names"]} == {"o", "v", "n", "m"}
    assert len(list(tmp_path.iterdir())) == 1


def test_an_array_that_repeats_itself_is_written_once(tmp_path):
    value = np.broadcast_to(np.arange(3.0), (10_000_000, 3))
    (entry,) = save_load.write({"x": value}, str(tmp_path))
    assert entry["bytes"] < 1000
    space = {}
    save_load.read([entry], space)
    assert space["x"].strides == value.strides
    assert np.array_equal(space["x"][-3:], value[-3:])


# what cannot be written, and what was damaged


class Refusing:
    def __reduce__(self):
        raise OSError(errno.EIO, "two\nlines")


def test_what_cannot_be_written_is_an_entry_with_a_reason_in_one_line(tmp_path):
    with open(os.devnull) as file:
        given_ = {"a": (n for n in "a"), "b": [file], "c": Refusing(), "y": [1]}
        entries = {e["names"][0]: e for e in save_load.write(given_, str(tmp_path))}
    assert "file" in entries.pop("y")
    assert {frozenset(entry) for entry in entries.values()} == {frozenset({"names", "error"})}
    assert "generator" in entries["a"]["error"]
    assert "TextIOWrapper" in entries["b"]["error"]
    assert entries["c"]["error"] == "OSError: [Errno 5] two lines"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_entry_says_what_was_written(tmp_path):
    (entry,) = save_load.write({"x": SQUARE}, str(tmp_path / "new"))
    assert entry["names"] == ["x"]
    assert entry["bytes"] == os.path.getsize(entry["file"])
    digest_ = subprocess.run(["sha256sum", entry["file"]], capture_output=True, check=True)
    assert digest_.stdout.split()[0].decode() == entry["sha256"]


class Loud:
    loaded = 0

    def __setstate__(self, state):
        Loud.loaded += 1

    def __getstate__(self):
        return {"a": 1}


@pytest.mark.parametrize("harm", ["a flipped bit", "cut off", "gone", "a folder"])
@pytest.mark.parametrize(
    "value",
    [[1, 2], SQUARE, TEXTS, {"a": (1,)}, {"a": np.zeros(100_000)}],
    ids=["a list", "npy", "a frame", "pickle", "pickle+buffers"],
)
def test_a_damaged_file_binds_nothing_and_the_others_are_bound(harm, value, tmp_path):
    entries = save_load.write({"bad": value, "good": [3]}, str(tmp_path))
    file = Path(entries[0]["file"])
    data = bytearray(file.read_bytes())
    file.unlink()
    if harm == "a folder":
        file.mkdir()
    elif harm == "cut off":
        file.write_bytes(data[:-1])
    elif harm == "a flipped bit":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    space = {"bad": "before"}
    answer = save_load.read(entries, space)
    assert answer["bound"] == ["good"]
    assert [d["names"] for d in answer["damaged"]] == [["bad"]]
    assert space == {"bad": "before", "good": [3]}


def test_a_damaged_pickle_is_not_unpickled(tmp_path):
    (entry,) = save_load.write({"x": Loud()}, str(tmp_path))
    with open(entry["file"], "ab") as file:
        file.write(b".")
    Loud.loaded = 0
    assert "not what was written" in save_load.read([entry], {})["damaged"][0]["why"]
    assert Loud.loaded == 0


def test_a_value_whose_own_code_fails_is_damaged(tmp_path):
    file = tmp_path / "x.pickle"
    file.write_bytes(b"cnowhere\nnothing\n.")
    found = subprocess.run(["sha256sum", file], capture_output=True, check=True).stdout
    entry = {"names": ["x"], "format": "pickle", "file": str(file), "sha256": found[:64].decode()}
    assert "nowhere" in save_load.read([entry], {})["damaged"][0]["why"]


def test_a_group_binds_all_its_names_or_those_that_are_picked_or_none(tmp_path):
    one = [1]
    (entry,) = save_load.write({"a": one, "b": one, "c": [one]}, str(tmp_path))
    for pick, bound in ((None, {"a", "b", "c"}), (["b"], {"b"}), (["b", "z"], set())):
        space = {}
        answer = save_load.read([entry | ({"pick": pick} if pick else {})], space)
        assert set(space) == set(answer["bound"]) == bound
    assert answer["damaged"][0]["names"] == ["b", "z"]


def test_a_full_disk_is_an_entry_with_an_error_and_leaves_no_part(tmp_path):
    with mounted(tmp_path / "small", "256k") as small:
        rows = 100_000
        entries = save_load.write(
            {
                "array": np.zeros(rows),
                "frame": F({"a": np.zeros(rows)}),
                "bytes": b"x" * 8 * rows,
                "owner": Owner(a=np.zeros(rows)),
                "polars": pl.DataFrame({"a": np.zeros(rows)}),
                "n": 1,
                "json": ["x" * 8 * rows],
            },
            str(small),
        )
        told = {e["names"][0]: e.get("error", "") for e in entries}
        assert told.pop("n") == ""
        assert all("No space left" in why for why in told.values()), told
        assert len(list(small.iterdir())) == 1


# in a kernel

BOOT = """
import importlib, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("_mlops_probe", {path!r})
sys.modules["_mlops_probe"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
values = importlib.import_module("_mlops_probe.values.save_load")
before = set(sys.modules)
folder = {folder!r}
"""


def in_kernel(folder, code, **environment):
    """Run code in a process that has never heard of this package; return what it printed."""
    text = BOOT.format(path=probe.__file__, folder=str(folder)) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-P", "-c", text],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_needs_the_standard_library_alone(tmp_path):
    assert importlib.util.find_spec("numpy")
    heavy = in_kernel(
        tmp_path,
        """
        x = [1]
        entry = json.loads(values.save(json.dumps({"names": ["x"], "folder": folder})))
        print({"numpy", "pandas", "pyarrow", "polars", "mlops_nb"} & set(sys.modules))
    """,
    )
    assert heavy == "set()"


def test_values_go_from_one_kernel_to_the_next_by_name(tmp_path):
    entries = in_kernel(
        tmp_path,
        """
        import numpy as np
        rate = 3
        def scaled(x): return rate * x
        class Box:
            def __init__(self, x): self.x = x
            def scaled(self): return rate * self.x
        box, array = Box(5), np.arange(100_000.0)
        part = array[7:]
        names = ["scaled", "box", "Box", "array", "part", "missing"]
        print(values.save(json.dumps({"names": names, "folder": folder})))
    """,
    )
    told = {n: e for e in json.loads(entries)["entries"] for n in e["names"]}
    assert told["missing"] == {"names": ["missing"], "error": "there is no 'missing'"}
    written = [e for e in json.loads(entries)["entries"] if "file" in e]
    said = in_kernel(
        tmp_path,
        f"""
        rate = 10
        answer = json.loads(values.load({json.dumps({"entries": written})!r}))
        part[0] = -1
        print(sorted(answer["bound"]), answer["damaged"], scaled(2), box.scaled(),
              isinstance(box, Box), array[7])
    """,
    )
    assert said == "['Box', 'array', 'box', 'part', 'scaled'] [] 20 50 True -1.0"


def test_without_cloudpickle_the_notebooks_own_code_is_refused_and_the_rest_is_written(tmp_path):
    told = in_kernel(
        tmp_path,
        """
        sys.modules["cloudpickle"] = None
        class Box: pass
        code, box, plain, bad = (lambda: 1), Box(), {"a": (1,)}, (i for i in ())
        names = ["code", "box", "plain"]
        print(values.save(json.dumps({"names": names, "folder": folder})))
    """,
    )
    found = {e["names"][0]: e.get("error", "") for e in json.loads(told)["entries"]}
    assert "no cloudpickle" in found["code"]
    assert found["box"] == "", "its class is found by its name"
    assert found["plain"] == ""


# large values

LARGE = """
import resource, os, numpy as np, pandas as pd, pyarrow, cloudpickle
pd.DataFrame({{"a": [1.0], "b": ["x"]}})  # what pandas loads at first use
values.write({{"x": pd.DataFrame({{"a": [1.0]}}), "y": np.ones(3), "z": [np.ones(99999)]}}, folder)
rows = {megabytes} * 1_000_000 // 8
made = {made}
size = int(open("/proc/self/statm").read().split()[0]) * 4096
limit = size + {spare} * 1_000_000
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
entries = values.write({{"x": made}}, folder)
assert "error" not in entries[0], entries
assert entries[0]["bytes"] >= rows * 8, entries
from _mlops_probe.fingerprint.digest import digest
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
before = digest(made)
del made
space = {{}}
values.read(entries, space)
assert digest(space["x"]) == before
print(entries[0]["format"])
"""
# address space that threads only reserve for heaps of their own is no memory that is used
ONE_HEAP = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
WAYS = {
    "npy": "np.arange(rows, dtype=float)",
    "npy in Fortran order": "np.asfortranarray(np.arange(rows, dtype=float).reshape(-1, 4))",
    "npy of every other": "np.arange(2 * rows, dtype=float)[::2]",
    "pickle+buffers of a frame": "pd.DataFrame("
    '{n: np.arange(rows // 4, dtype=float) for n in "abcd"})',
    "pickle+buffers of rows": "pd.DataFrame(np.arange(rows, dtype=float).reshape(-1, 4), "
    'columns=list("abcd"), copy=False)',
    "pickle+buffers": '{"a": (np.arange(rows, dtype=float),)}',
    "pickle+buffers of views": "(lambda a: [a, a[1:]])(np.arange(rows, dtype=float))",
}


@pytest.mark.parametrize("way", WAYS)
def test_300_megabytes_are_written_in_much_less_memory(way, tmp_path):
    code = LARGE.format(megabytes=300, spare=180, made=WAYS[way])
    assert in_kernel(tmp_path, code, **ONE_HEAP) == way.split(" ")[0]


@pytest.mark.skipif(os.environ.get("MLOPS_NB_BIG") != "1", reason="MLOPS_NB_BIG=1 runs it: 2 GB")
@pytest.mark.parametrize("way", ["npy", "pickle+buffers of a frame", "pickle+buffers"])
def test_2_gigabytes_are_written_in_much_less_memory(way, tmp_path):
    code = LARGE.format(megabytes=2300, spare=250, made=WAYS[way])
    assert in_kernel(tmp_path, code, **ONE_HEAP) == way.split(" ")[0]


def test_a_pickle_without_large_buffers_is_one_that_anybody_can_load(tmp_path):
    (entry,) = save_load.write({"x": (1, 2)}, str(tmp_path))
    with open(entry["file"], "rb") as file:
        assert pickle.load(file) == {"x": (1, 2)}
