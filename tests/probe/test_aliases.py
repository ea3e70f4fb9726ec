"""What shares memory is told by ids, without following a chain of bases for ever."""

import pytest

from mlops_nb.probe.observe.aliasing import shares

np = pytest.importorskip("numpy")


def test_a_chain_of_bases_ends():
    class Base:
        @property
        def base(self):
            return Base()

    Base.__module__ = "numpy"
    for value in (np.dtype("f8"), [np.dtype("i4")], np.dtype([("a", "i4")]), Base()):
        assert shares(value) is not None
    array = np.arange(4)
    assert shares(array) & shares(array[:2])
    assert not shares(np.dtype("f8"))
