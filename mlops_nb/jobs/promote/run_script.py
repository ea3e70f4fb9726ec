"""Runs a `pipeline.py` as `python pipeline.py` does, from a given seed, and digests its values.

A program of its own: `python run_script.py REQUEST`, where REQUEST is a JSON file with
{script, arguments, seed, probe, steps: {step: [names]}, dump, answer, metrics, not,
snapshots: {function: [stored values to bind instead of running it]}}.
It runs in the job's interpreter and imports nothing of this package.
"""

import ast
import importlib.util
import json
import sys
import traceback
import types
from typing import Any


def _look(path: str) -> Any:
    name = "_mlops_probe"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    importlib.import_module(f"{name}.values.save_load")
    return importlib.import_module(f"{name}.inspect.values")


def _with_snapshots(tree: ast.Module, snapshots: dict[str, Any]) -> ast.Module:
    """Let the functions of some steps bind stored values instead of loading data."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in snapshots:
            arguments = json.dumps({"entries": snapshots[node.name]})
            call = f"__import__('sys').modules['_mlops_probe.values.save_load'].load({arguments!r})"
            node.body = ast.parse(call).body
    return tree


def drive(request: dict[str, Any]) -> dict[str, Any]:
    """Run the script and return its error, or the values and metrics of its steps."""
    probe = _look(request["probe"])
    probe.start(json.dumps({"seed": request["seed"]}))
    path = request["script"]
    sys.argv = [path, *request["arguments"]]
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    with open(path, encoding="utf-8") as file:
        tree = _with_snapshots(ast.parse(file.read(), path), request["snapshots"])
    code = compile(tree, path, "exec")
    try:
        exec(code, module.__dict__)  # noqa: S102  the script that is being proven
    except SystemExit as ended:
        if ended.code not in (None, 0):
            return {"error": f"it ended with {ended.code!r}"}
    except BaseException:  # noqa: BLE001  whatever the script raises is the answer
        return {"error": traceback.format_exc(limit=-3)}
    values: dict[str, Any] = {}
    for step, names in request["steps"].items():
        arguments = {"names": names, "step": step, "dump": request["dump"]}
        values[step] = json.loads(probe.look(json.dumps(arguments)))
    measured = json.loads(
        probe.measure(json.dumps({"names": request["metrics"], "not": request["not"]}))
    )
    return {"values": values, "metrics": measured["metrics"]}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as asked_file:
        asked_for = json.load(asked_file)
    sys.stdout = sys.stderr  # its prints are not part of the answer
    answer = drive(asked_for)
    with open(asked_for["answer"], "w", encoding="utf-8") as answer_file:
        json.dump(answer, answer_file)
