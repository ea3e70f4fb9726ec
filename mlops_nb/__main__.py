"""`python -m mlops_nb` is `mlops-nb`."""

from mlops_nb.faces.cli import main

if __name__ == "__main__":
    main()
