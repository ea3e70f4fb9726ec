"""A package answers as the notebook was judged, or says why it cannot."""

import json
import pickle

import cloudpickle
import numpy as np
import pytest

from mlops_nb.probe.answer import frames, package, reference
from mlops_nb.probe.answer.answers import Answers

START = """
import numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression
draw = np.random.default_rng(1)
df = pd.DataFrame({'age': draw.integers(18, 90, 600), 'income': draw.lognormal(10, .5, 600),
                   'city': draw.choice(['Seoul', 'Busan', 'Daegu'], 600), 'unused': 1.0,
                   'day': pd.date_range('2026-01-01', periods=600)})
label = (df.age + draw.normal(0, 9, 600) > 50).astype(int)
def features(rows):
    return pd.DataFrame({'age': rows['age'] / 10, 'rich': np.log(rows['income']),
                         'seoul': (rows['city'] == 'Seoul').astype(float)})
"""
TRAIN = """
train, test = df.iloc[:300], df.iloc[300:]
model = LogisticRegression(random_state=0).fit(features(train), label[:300])
score = model.predict_proba(features(test))[:, 1]
pred = model.predict(features(test))
"""
GROUPED = """
def features(rows):
    many = rows.groupby('city')['age'].transform('size')
    return pd.DataFrame({'age': rows['age'] / 10, 'many': many})
"""
JOINED = """
rates = pd.DataFrame({'city': ['Seoul', 'Busan', 'Daegu'], 'rate': [1.0, 2.0, 3.0]})
def rated(rows):
    return rows.merge(rates, on='city', how='left')
def features(rows):
    return pd.DataFrame({'age': rows['age'] / 10, 'rate': rated(rows)['rate'].to_numpy()})
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return what a package says after some cells, and the parts that it wrote."""

    def write(*cells, **asked):
        space: dict = {"__name__": "__main__"}
        for cell in cells:
            exec(cell, space)
        monkeypatch.setattr(package, "namespace", lambda: space)
        path = tmp_path / "package.pickle"
        names = {"model": "model", "features": "features", "decide": "", "lookups": {}}
        names |= {"rows": ["test"], "pred": "pred", "score": "score", "path": str(path)}
        told = json.loads(package.write(json.dumps(names | asked)))
        return told, pickle.loads(path.read_bytes()) if path.exists() else None, space

    return write


def test_the_answers_are_those_of_the_evaluation_and_need_only_what_the_features_read(written):
    told, parts, space = written(START, TRAIN)
    signature = told["signature"]
    kinds = [(c["name"], c["kind"]) for c in signature["columns"]]
    assert kinds == [("age", "int"), ("income", "float"), ("city", "text")]
    assert signature["features"] == ["age", "rich", "seoul"]
    assert signature["answer"] == {"kind": "label", "classes": [0, 1]}
    assert len(told["golden"]["rows"]) == package.ROWS
    assert (told["independent"], told["compared"]) == (True, ["pred", "score"])
    test = space["test"]
    columns = {n: frames.plain(test[n]) for n, _ in kinds}
    answered = Answers(parts, signature).answer(columns)
    assert answered["predictions"] == space["pred"].tolist()
    np.testing.assert_allclose(answered["scores"], space["score"])
    assert set(told["reference"]) == {"age", "income", "city"}
    assert sum(told["reference"]["city"]["shares"].values()) == pytest.approx(1)
    assert told["reference_answers"]["score"]["mean"] == pytest.approx(space["score"].mean())
    assert set(told["reference_answers"]["prediction"]["shares"]) == {"0", "1"}


def test_a_column_is_described_by_exact_shares_at_its_quantiles():
    told = reference.describe_column([0] * 7 + [1, 2, 3, None], "int")
    assert told["at_most"] == [0.7, 0.8, 0.9, 1.0]
    assert told["below"] == [0.0, 0.7, 0.8, 0.9]
    assert told["missing"] == pytest.approx(1 / 11)
    texts = reference.describe_column(["a", "a", "b", "c", None], "text")
    assert (texts["distinct"], texts["once"]) == (3, 2)


def test_a_model_that_takes_arrays_as_it_takes_frames_gets_arrays(written):
    scaled = TRAIN.replace(
        "LogisticRegression(random_state=0)",
        "make_pipeline(StandardScaler(), 'passthrough', LogisticRegression())",
    )
    named = TRAIN.replace(
        "LogisticRegression(random_state=0)",
        "make_pipeline(make_column_transformer((StandardScaler(), ['age', 'rich'])), "
        "LogisticRegression())",
    )
    more = """
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.compose import make_column_transformer
"""
    for cells, arrays in ((scaled, True), (named, False)):
        told, parts, space = written(START, more, cells)
        assert told["signature"]["arrays"] is arrays
        columns = {
            c["name"]: frames.plain(space["test"][c["name"]]) for c in told["signature"]["columns"]
        }
        answers = Answers(parts, told["signature"]).answer(columns)
        assert answers["predictions"] == space["pred"].tolist()
        assert answers["scores"] == space["score"].tolist()


def test_a_threshold_of_the_notebook_is_refused_or_named(written):
    low = "pred = (score >= 0.2).astype(int)"
    told, _, _ = written(START, TRAIN, low)
    assert told["refused"]
    assert "--decide FUNCTION" in told["fix"]
    assert "200 predictions differ from 'pred'" in told["error"]
    decide = "def decide(scores):\n    return (scores >= 0.2).astype(int)"
    told, _, space = written(START, TRAIN, low, decide, decide="decide")
    places = [i * 300 // 200 for i in range(200)]
    assert told["golden"]["predictions"] == [int(space["pred"][i]) for i in places]


def test_features_that_count_the_other_rows_are_refused(written):
    told, _, _ = written(START, GROUPED, TRAIN)
    assert told["refused"]
    assert "depends on the rows that are asked with it" in told["error"]
    assert "--lookup" in told["fix"]


def test_a_table_that_features_join_must_be_named_and_travels(written):
    told, _, _ = written(START, JOINED, TRAIN)
    assert told["refused"]
    assert "--lookup rates:max_age=1d" in told["fix"]
    told, parts, _ = written(START, JOINED, TRAIN, lookups={"rates": 86400.0})
    again = pickle.loads(cloudpickle.dumps(parts))
    rows = {"age": [30], "city": ["Busan"]}
    assert Answers(again, told["signature"]).answer(rows)["features"]["rate"] == [2.0]

    told, _, _ = written(START, JOINED, TRAIN, lookups={"rates": 1.0, "df": 1.0})
    assert "--lookup names 'df', which is no table that the features read" in told["error"]


def test_the_digest_is_that_of_all_that_answers_beside_the_model(written):
    days = {"lookups": {"rates": 1.0}}
    same = [written(START, JOINED, TRAIN, **days)[0]["answers"] for _ in range(2)]
    assert same[0] == same[1]
    for was, now in (
        ("3.0]", "4.0]"),  # the table
        ("how='left'", "how='inner'"),  # a function that the features call
        ("/ 10", "/ 20"),  # the features
    ):
        told, _, _ = written(START, JOINED.replace(was, now), TRAIN, **days)
        assert told["answers"] not in {"unknown", same[0]}
    assert written(START, JOINED, TRAIN, "unused = 1", **days)[0]["answers"] == same[0]


def test_rows_that_no_features_make_are_the_columns_of_the_model(written):
    plain = """
train, test = df[['age', 'income']].iloc[:300], df[['age', 'income']].iloc[300:]
model = LinearRegression().fit(train, label[:300])
pred = model.predict(test)
"""
    told, _, _ = written(START, plain, features="", score="")
    assert [c["name"] for c in told["signature"]["columns"]] == ["age", "income"]
    assert told["signature"]["answer"]["kind"] == "number"
    assert told["golden"]["scores"] is None
    array = plain.replace("iloc[:300]", "iloc[:300].to_numpy()").replace(
        "[300:]", "[300:].to_numpy()"
    )
    told, _, _ = written(START, array, features="", score="")
    assert told["signature"]["input"] == "array"
    assert [c["name"] for c in told["signature"]["columns"]] == ["0", "1"]


@pytest.mark.parametrize(
    ("cells", "asked", "error", "refused"),
    [
        ((START, TRAIN, "del features"), {}, "there is no function 'features'", True),
        ((START, TRAIN, "model = {'a': 1}"), {}, "has no `predict`", False),
        ((START, TRAIN), {"rows": []}, "no rows that 'features' takes", False),
        ((START, TRAIN, "pred = pred[:9]\nscore = score[:9]"), {}, "no rows", False),
    ],
)
def test_what_cannot_be_served_says_so(written, cells, asked, error, refused):
    told, parts, _ = written(*cells, **asked)
    assert error in told["error"]
    assert told["refused"] is refused
    assert parts is None


def test_a_function_that_raises_is_refused_with_its_mend(written):
    decide = "def decide(scores):\n    raise ValueError('not yet')"
    told, _, _ = written(START, TRAIN, decide, decide="decide")
    assert told["refused"]
    assert told["error"] == "the answers cannot be made: ValueError: not yet"
    assert told["fix"].startswith("call features and decide on rows of the evaluation in a cell")


def test_a_value_that_only_a_training_row_lacks_may_be_missing(written):
    cells = """
def features(rows):
    return pd.DataFrame({'age': rows['age'] / 10, 'income': rows['income'].fillna(0)})
df.loc[5, 'income'] = np.nan
"""
    told, _, _ = written(START, cells, TRAIN, rows=["test", "train"])
    found = {c["name"]: c["missing"] for c in told["signature"]["columns"]}
    assert found == {"age": False, "income": True}


def test_times_categories_and_missing_values_come_back_as_they_were(written):
    cells = """
df['size'] = pd.Categorical(draw.choice(['s', 'm'], 600), categories=['s', 'm', 'l'])
df.loc[::7, 'income'] = np.nan
def features(rows):
    return pd.DataFrame({'day': rows['day'].dt.day_of_year, 'l': rows['size'].cat.codes,
                         'income': rows['income'].fillna(0)})
"""
    told, _, _ = written(START, cells, TRAIN)
    found = {c["name"]: (c["kind"], c["missing"]) for c in told["signature"]["columns"]}
    assert found == {
        "income": ("float", True),
        "day": ("time", False),
        "size": ("category", False),
    }


def test_a_slicing_is_found_in_the_column_that_has_its_values(written):
    cells = (
        "town = np.asarray(test['city'])",
        "income = test['age'].to_numpy()",  # of another column than its name says
        "twice = test['city'] + test['city']",
        "also = test['unused']",
        "first = train['city']",
    )
    asked = {"by": ["town", "income", "twice", "also", "first", "gone", "model", "features"]}
    told, _, _ = written(START, TRAIN, *cells, **asked)
    assert told["slices"] == {"town": "city", "income": "age", "also": "unused"}
