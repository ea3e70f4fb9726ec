"""Runs inside a kernel, beside the notebook's own code, with the standard library alone.

The kernel's environment may not have this package, so the folder is loaded there by its path, under
the name `_mlops_probe`. Its files import each other relatively and nothing else of `mlops_nb`. They
look up numpy, pandas and other libraries only in `sys.modules`, once the notebook has loaded them.

    introspect     inspects classes and values without running their code
    syntax         reads the syntax of cells: names, calls, branches
    observe        reports what each cell read, bound and changed, from its syntax, the code that it
                   reached, and the values before and after
    fingerprint    tells values apart by digests
    values         writes and reads values
    inspect        answers questions about values: schemas, metrics, predictions
"""
