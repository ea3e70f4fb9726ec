"""Files are answered as single rows are, whatever their types; rows that fail are named."""

import asyncio
import datetime
import decimal
import json
import pickle
import sys
from pathlib import Path

import cloudpickle
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_nb.errors import MlopsError, Refused
from mlops_nb.models.package import Package
from mlops_nb.probe.answer.answers import Answers
from mlops_nb.serving import tables
from mlops_nb.serving.offline import batch
from mlops_nb.serving.offline.batch import FileAnswers, Output
from mlops_nb.serving.prediction_log import PredictionLog
from mlops_nb.storage.predictions_local import LocalPredictions

COLUMNS = [
    {"name": "age", "kind": "int", "dtype": "int64", "missing": True},
    {"name": "income", "kind": "float", "dtype": "float64", "missing": True},
    {"name": "city", "kind": "text", "dtype": "object", "missing": False},
    {"name": "grade", "kind": "category", "dtype": "category", "missing": True},
    {"name": "seen", "kind": "time", "dtype": "datetime64[us]", "missing": True},
    {"name": "adult", "kind": "bool", "dtype": "bool", "missing": False},
]
COLUMNS[3]["categories"] = ["a", "b", "c d"]
SIGNATURE = {
    "input": "frame",
    "columns": COLUMNS,
    "features": [],
    "answer": {"kind": "label", "classes": ["no", "yes"]},
}


def features(rows):
    if (rows["age"] == 13).any():
        raise ValueError("thirteen")
    return rows


class Model:
    """Scores a row by all of its values."""

    def predict_proba(self, rows):
        import numpy as np
        import pandas as pd

        found = rows["age"].fillna(-1) / 100 + rows["income"].fillna(0.5) / 1e6
        found = found + rows["city"].str.len() + rows["grade"].cat.codes + rows["adult"]
        days = (rows["seen"] - pd.Timestamp("2026-01-01")).dt.total_seconds().fillna(0)
        first = (np.sin(found + days) + 1) / 2
        return np.column_stack([1 - first, first])

    def predict(self, rows):
        return [["no", "yes"][int(p > 0.5)] for p in self.predict_proba(rows)[:, 1]]


def version(folder: Path, parts: dict, signature: dict, golden: dict) -> Package:
    """Write what a model process reads of a package."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    (folder / "model.pickle").write_bytes(cloudpickle.dumps(parts))
    (folder / "package.json").write_text(json.dumps({"signature": signature}))
    (folder / "golden.json").write_text(json.dumps(golden | {"rows": []}))
    return Package(
        folder=folder,
        model="m",
        version=3,
        python=sys.executable,
        signature=signature,
        independent=True,
        golden=golden,
        about={},
    )


class Folder:
    """A folder with files, and a process that answers them."""

    def __init__(self, path: Path, package: Package) -> None:
        self.path, self.package, self.loop = path, package, asyncio.Runner()
        self.answers = FileAnswers(package)
        self.loop.run(self.answers.start())

    def answer(self, file: Path, out: str = "out.parquet", skip: Path | None = None) -> pa.Table:
        """Answer a file; return the output."""
        made = self.path / out
        left = None if skip is None else Output(skip, skip.suffix)
        log = PredictionLog(LocalPredictions(self.path / "log"), str)
        work = self.answers.write(file, Output(made, made.suffix), log, left)
        self.loop.run(work)
        if out.endswith(".csv"):
            return pa.Table.from_pandas(pd.read_csv(made, dtype=str, keep_default_na=False))
        return pq.ParquetFile(made).read()

    def csv(self, *rows: str) -> Path:
        """Write a CSV with a header."""
        file = self.path / "in.csv"
        file.write_text("\n".join([",".join(c["name"] for c in COLUMNS), *rows]) + "\n")
        return file

    def close(self) -> None:
        self.answers.end()
        self.loop.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("batch")
    parts = {"model": Model(), "features": features, "decide": None}
    made = Folder(path, version(path, parts, SIGNATURE, {"predictions": ["no"], "scores": [0.5]}))
    yield made
    made.close()


GOOD = "44,30000.5,Seoul,a,2026-01-31T12:00:00,True"
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.none() | st.integers(14, 10**6),
            "income": st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
            "city": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
            | st.sampled_from(["", "NA", "null", '"', "a,b", "01", "1e5", " x "]),
            "grade": st.none() | st.sampled_from(["a", "b", "c d"]),
            "seen": st.none()
            | st.datetimes(
                datetime.datetime.fromisoformat("1990-01-01"),
                datetime.datetime.fromisoformat("2040-01-01"),
            ),
            "adult": st.booleans(),
            "note": st.none() | st.sampled_from(["x", "", "1.50", "007"]),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
def test_one_row_a_batch_and_a_file_are_answered_alike(folder, rows):
    asked = [
        {**row, "seen": row["seen"] and row["seen"].isoformat()} | {"note": None} for row in rows
    ]
    single = Answers({"model": Model(), "features": features, "decide": None}, SIGNATURE)
    columns = {c["name"]: [row[c["name"]] for row in asked] for c in COLUMNS}
    whole = single.answer(columns)
    for place in range(len(rows)):
        alone = single.answer({name: [values[place]] for name, values in columns.items()})
        assert alone["predictions"][0] == whole["predictions"][place]
    schema = pa.schema(
        [
            ("age", pa.int64()),
            ("income", pa.float64()),
            ("city", pa.string()),
            ("grade", pa.dictionary(pa.int32(), pa.string())),
            ("seen", pa.timestamp("us")),
            ("adult", pa.bool_()),
            ("note", pa.string()),
        ]
    )
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table, folder.path / "in.parquet")
    frame = pd.DataFrame(asked).astype({"age": "Int64"})
    frame["note"] = [row["note"] for row in rows]
    frame.to_csv(folder.path / "in.csv", index=False)
    for name in ("in.parquet", "in.csv"):
        out = folder.answer(folder.path / name)
        assert out["prediction"].to_pylist() == whole["predictions"], name
        assert out["score"].to_pylist() == pytest.approx(whole["scores"])
        assert out["age"].to_pylist() == [row["age"] for row in rows]
        assert [v or None for v in out["note"].to_pylist()] == [row["note"] or None for row in rows]
        assert set(out["model_version"].to_pylist()) == {3}
        if name == "in.parquet":
            assert out.select(schema.names).cast(schema).equals(table)
        assert (
            folder.answer(folder.path / name, "out.csv")["prediction"].to_pylist()
            == (whole["predictions"])
        )


def test_dates_decimals_and_columns_that_no_model_knows_survive(folder):
    columns = {
        "age": pa.array([44.0, None]),
        "income": pa.array([decimal.Decimal("1.50"), None]),
        "city": pa.array(["x", "y"], pa.large_string()),
        "grade": pa.array(["a", None]),
        "seen": pa.array([datetime.date(2026, 1, 1), None]),
        "adult": pa.array([True, False]),
        "raw": pa.array([b"\xff", None]),
        "list": pa.array([[1, 2], None]),
        "span": pa.array([datetime.timedelta(1), None]),
    }
    table = pa.table(columns)
    pq.write_table(table, folder.path / "in.parquet")
    out = folder.answer(folder.path / "in.parquet")
    assert out.select(table.column_names).equals(table)
    assert out.column_names == [*table.column_names, *tables.ADDED]


def test_rows_that_the_signature_refuses_refuse_the_file_and_are_counted(folder):
    rows = [GOOD, "44,x,Seoul,a,,True", GOOD, "1.5,,Seoul,zz,,True", GOOD]
    with pytest.raises(Refused, match=r"row 1: 'income' is 'x'.*; 2 of 5 rows cannot be used"):
        folder.answer(folder.csv(*rows), "none.parquet")
    assert not (folder.path / "none.parquet").exists()


def test_rows_on_which_the_features_raise_are_found_and_named(folder):
    rows = [GOOD] * 12_000
    for place in (17, 9_999, 10_001):
        rows[place] = GOOD.replace("44", "13", 1)
    with pytest.raises(
        MlopsError, match="row 17: ValueError: thirteen; 3 of its rows fail"
    ) as info:
        folder.answer(folder.csv(*rows))
    assert info.value.fix
    rows = [GOOD.replace("44", "13", 1)] * 500
    with pytest.raises(MlopsError, match="row 0: ValueError: thirteen; more than 100 of its rows"):
        folder.answer(folder.csv(*rows))


def test_rows_that_fail_can_be_left_out_into_a_file_of_their_own(folder):
    rows = [GOOD] * 30
    rows[3], rows[7] = GOOD.replace("44", "13", 1), "old,,Seoul,a,,True"
    bad = folder.path / "bad.csv"
    out = folder.answer(folder.csv(*rows), skip=bad)
    assert len(out) == 28
    left = pd.read_csv(bad)
    assert left["age"].tolist() == ["13", "old"]
    assert left["error"].tolist() == [
        "ValueError: thirteen",
        "'age' is 'old', which is not a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("age,income,city,grade,seen,adult\n", "has no rows"),
        ("age,age,city\n1,2,3\n", "has two columns 'age'"),
        ("age,city\n1,x\n", "has no column 'income'"),
        ("age,income,city,grade,seen,adult,score\n", "has a column 'score' already"),
        ("age,income,city,grade,seen,adult\n1,2\n", "cannot be read"),
        ("age,income,city,grade,seen,adult\n1,2,\xff,a,,True\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_mend(folder, text, what):
    file = folder.path / "odd.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(Refused, match=what) as info:
        folder.answer(file, "none.csv")
    assert info.value.fix
    assert not (folder.path / "none.csv").exists()


def test_a_torn_parquet_file_is_refused(folder):
    file = folder.path / "torn.parquet"
    pq.write_table(pa.table({"age": list(range(9000))}), file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(Refused, match=r"torn\.parquet cannot be read"):
        folder.answer(file)


def test_an_output_that_is_the_input_is_refused(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n")
    (tmp_path / "b.csv").symlink_to(file)
    (tmp_path / "c.csv").hardlink_to(file)
    for out in ("a.csv", "b.csv", "c.csv", "../" + tmp_path.name + "/a.csv"):
        with pytest.raises(Refused, match="over itself"):
            batch.refuse_paths(file, tmp_path / out)
    with pytest.raises(Refused, match="over itself"):
        batch.refuse_paths(file, tmp_path / "o.csv", tmp_path / "o.csv")
    with pytest.raises(Refused, match="there is no folder"):
        batch.refuse_paths(file, tmp_path / "none" / "o.csv")


def test_scores_of_several_classes_are_lists_and_json_in_a_csv(tmp_path):
    class Three(Model):
        def predict_proba(self, rows):
            import numpy as np

            return np.tile(np.asarray([0.2, 0.3, 0.5], "float32"), (len(rows), 1))

        def predict(self, rows):
            return ["c"] * len(rows)

    golden = {"predictions": ["c"], "scores": [[0.2, 0.3, 0.5]]}
    parts = {"model": Three(), "features": None, "decide": None}
    made = Folder(tmp_path, version(tmp_path, parts, SIGNATURE, golden))
    try:
        file = made.csv(GOOD)
        assert made.answer(file)["score"].to_pylist()[0] == pytest.approx([0.2, 0.3, 0.5])
        (text,) = made.answer(file, "out.csv")["score"].to_pylist()
        assert json.loads(text) == pytest.approx([0.2, 0.3, 0.5])
    finally:
        made.close()


def test_a_part_that_cannot_be_unpickled_is_an_error_with_its_version(tmp_path):
    package = version(tmp_path, {"model": None}, SIGNATURE, {})
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(1)[:-1])
    answers = FileAnswers(package)
    with pytest.raises(MlopsError, match="version 3 cannot be loaded"):
        asyncio.run(answers.start())
    answers.end()
