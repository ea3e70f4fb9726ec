"""Prints the request ids in the prediction log of the current folder, in a process of its own."""

import json
import sys

from mlops_nb.demo.commands import MODEL


def main() -> None:
    """Print the ids as a JSON object, one for each row of the log."""
    from mlops_nb.project import open_project

    rows = open_project().predictions(MODEL)
    json.dump({"request_ids": rows["request_id"].tolist()}, sys.stdout)


if __name__ == "__main__":
    main()
