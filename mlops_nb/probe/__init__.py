"""What runs inside a kernel, beside a notebook's own code: the standard library alone.

A kernel may live in an environment that has never heard of this package, so the folder is loaded
there by its path, under the name `_mlops_probe`; its files import each other relatively and
nothing else of ours, and look numpy, pandas and their like up only where they are loaded.

What a cell did (`observer`, which is told before and after each cell, and asks `facts`):

    reads branches calls uses          its text, in the order that it runs
    reach codes                        the code behind the values that it uses
    texts                              names in the texts that it runs
    prints extras aliases              what changed, and what shares memory with that
    hidden channels settings           what has no name: generators, options, libraries
    shown figures                      earlier outputs, display options, figures
    files paths audit opened modules   files, folders, programs, modules beside the notebook
    outside                            what lies beyond this machine; where a value comes from
    dropped                            lets go of what the cell is about to drop

Values: `fingerprint` and its `fp_` files tell them apart; `values`, `formats` and `sharing` write
and read them; `look`, `frames`, `origins`, `judged` and `generators` answer what a run asks.
"""
