"""Logs a model to MLflow in a form that MLflow can load, with signature and input example."""

import pickle
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_nb.data import personal

EXAMPLE_TAG = "mlops-nb.input-example"
SIGNATURE_TAG = "mlops-nb.signature"
LOADS_TAG = "mlops-nb.loads"
OWN_TAGS = (EXAMPLE_TAG, SIGNATURE_TAG)
PACKAGES = ("scikit-learn", "numpy", "pandas", "cloudpickle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A model in MLflow.

    source: the URI of its files
    id:     of MLflow's logged model, "" for a plain file
    tags:   what the version says about its signature and its example
    """

    source: str
    id: str
    tags: Mapping[str, str]


def log(
    client: Any, run: str, *, name: str, file: Path, example: Path | None, example_of: str
) -> Logged:
    """Log a pickled model to a run: an estimator in MLflow's flavor, what predicts as a pyfunc.

    example:    the file of some pickled rows of its input, None if they are not known
    example_of: the description of these rows, or why there are none
    """
    if known := _known(client, run, name):  # the sync before was cut off after this
        return known
    model, rows = _loaded(file), None if example is None else _loaded(example)
    if example is not None and rows is None:
        example_of = "none: this interpreter cannot read the rows"
    estimator = hasattr(model, "predict") and hasattr(model, "get_params")
    if not (estimator or hasattr(model, "predict") or callable(model)):
        client.log_artifact(run, str(file), "model")
        why = "its classes cannot be imported here" if model is None else "it has no `predict`"
        tags = {
            LOADS_TAG: f"no: {why}; it is the pickle {file.name}",
            SIGNATURE_TAG: f"none: {why}",
            EXAMPLE_TAG: f"none: {why}",
        }
        return Logged(source=f"{client.get_run(run).info.artifact_uri}/model", id="", tags=tags)
    signature, inferred = _signature(model, rows)
    shown, hidden = (None, "") if rows is None else personal.masked(rows)
    tags = {EXAMPLE_TAG: f"{example_of}{hidden}", SIGNATURE_TAG: inferred}
    parts = {"name": name, "signature": signature, "input_example": shown, "tags": tags}
    logged = _log(run, model, parts, estimator=estimator)
    return Logged(source=str(logged.model_uri), id=str(logged.model_id), tags=tags)


def warm_up() -> None:
    """Make MLflow load what it needs to log a model, by saving a tiny one to a temporary folder."""
    import mlflow
    from sklearn.dummy import DummyClassifier

    model = DummyClassifier().fit([[0]], [0])
    with tempfile.TemporaryDirectory() as folder:
        mlflow.sklearn.save_model(
            model,
            f"{folder}/model",
            serialization_format="cloudpickle",
            pip_requirements=_requirements(),
        )
    _signature(model, [[0]])


def _known(client: Any, run: str, name: str) -> Logged | None:
    """Return the model that a run has already under a name."""
    outputs = client.get_run(run).outputs
    for output in outputs.model_outputs if outputs else ():
        model = client.get_logged_model(output.model_id)
        if model.name == name and str(model.status) == "READY":
            tags = {tag: model.tags[tag] for tag in OWN_TAGS if tag in model.tags}
            return Logged(source=f"models:/{model.model_id}", id=str(model.model_id), tags=tags)
    return None


def _log(run: str, model: Any, parts: Mapping[str, Any], *, estimator: bool) -> Any:
    import mlflow

    options = {**parts, "pip_requirements": _requirements()}
    with warnings.catch_warnings(), mlflow.start_run(run_id=run):
        warnings.simplefilter("ignore")  # advice about types to the author of the model
        if estimator:
            options["serialization_format"] = "cloudpickle"
            return mlflow.sklearn.log_model(model, **options)
        return mlflow.pyfunc.log_model(python_model=_predicting(model), **options)


def _signature(model: Any, rows: Any) -> tuple[Any, str]:
    """Return the signature of a model, and where it comes from; None without rows."""
    if rows is None:
        return None, "none: no rows of the input are known"
    from mlflow.models import infer_signature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = model.predict(rows) if hasattr(model, "predict") else model(rows)
            return infer_signature(rows, made), "inferred from the input example"
        except Exception as error:  # noqa: BLE001  the model's own code
            failed = f"{type(error).__name__}: {error}"
        try:
            return infer_signature(rows), f"of the input only; predicting failed: {failed}"
        except Exception as error:  # noqa: BLE001  MLflow knows no type for these rows
            return None, f"none: {type(error).__name__}: {error}"


def _predicting(model: Any) -> Any:
    """Return a model as MLflow's Python model; the class is pickled with it."""
    import mlflow

    class Predicting(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        """Predicts with the `predict` of an object, or by calling it."""

        def __init__(self, model: Any) -> None:
            self.model = model

        # without type hints, which MLflow takes for the signature
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG002
            """Return the predictions for some rows."""
            called = self.model.predict if hasattr(self.model, "predict") else self.model
            return called(model_input)

    Predicting.__module__ = "__main__"  # this package need not be where the model is loaded
    return Predicting(model)


def _loaded(file: Path) -> Any:
    """Load a pickle of the project's store, None if this interpreter cannot."""
    try:
        with file.open("rb") as opened:
            return pickle.load(opened)  # noqa: S301  its digest was verified
    except Exception:  # noqa: BLE001  its classes may live in the job's environment only
        return None


def _requirements() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in PACKAGES]
