"""Which names cells pass to a model."""

import pytest

from mlops_nb.notebook.model_inputs import model_inputs


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (("model = Tree().fit(X, y)",), ["X"]),
        (("model = Tree()\nmodel.fit(X, y)", "model.predict(Z)"), ["X", "Z"]),
        (("model.predict_proba(Z)", "model.fit(X)"), ["X", "Z"]),
        (("scaler.fit(X)\nmodel = Tree().fit(scaler.transform(X), y)",), []),
        (("model = Tree().fit(df[columns], y)",), []),
        (("%mlops step train\nmodel = fit(X)", "scores = model(Z)"), ["Z"]),
        (("model = (", "model.fit(X)"), ["X"]),
        (("other.fit(X)",), []),
        (("model.fit(X=X)",), []),
    ],
)
def test_the_first_arguments_of_a_models_methods_are_its_inputs(cells, names):
    assert model_inputs(cells, "model") == names
