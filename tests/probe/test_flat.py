"""A long list of plain values is told by what stands in it, at the price of a look."""

import pytest

from mlops_nb.probe.flat import FEW, MOST, WORKS, flat

MANY = FEW + 10


def test_this_interpreter_is_one_whose_lists_can_be_told_by_addresses():
    assert WORKS


def test_the_same_list_stands_until_an_item_is_another_one():
    items = [float(n) for n in range(MANY)]
    told = flat(items)
    assert told.stands(items)
    items[7] = 7.5
    assert not told.stands(items)
    assert told != flat(items)


def test_equal_items_that_are_other_objects_are_no_change():
    items = [10**6 + n for n in range(MANY)]
    told = flat(items)
    items[3] = int(str(items[3]))
    assert not told.stands(items)
    assert told == flat(items)


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", b"1")])
def test_items_that_compare_equal_and_are_not_the_same_are_a_change(old, new):
    items = [old] * MANY
    told = flat(items)
    items[5] = new
    assert not told.stands(items)
    assert told != flat(items)


def test_another_order_or_length_is_a_change():
    items = list(range(MANY))
    told = flat(items)
    items.reverse()
    assert told != flat(items)
    items.reverse()
    assert told.stands(items)
    items.append(1)
    assert not told.stands(items)
    assert told != flat(items)


def test_no_number_agrees_with_itself():
    items = [float("nan")] * MANY
    told = flat(items)
    assert told.stands(items)
    assert told == flat([float("nan")] * MANY)


def test_keys_and_values_of_a_dict_count_in_their_order():
    words = {str(n): n for n in range(MANY)}
    told = flat(words)
    assert told.stands(words)
    words["7"] = -7
    assert told != flat(words)
    words["7"] = 7
    assert told == flat(words)
    words["0"] = words.pop("0")
    assert told != flat(words)


def test_a_list_and_a_dict_are_not_the_same():
    assert flat(dict.fromkeys(range(MANY))) != flat(list(range(MANY)))


@pytest.mark.parametrize(
    "value",
    [
        [1] * (FEW - 1),
        [1] * MANY + [[]],
        ["x" * 10_000] * MANY,
        tuple(range(MANY)),
        {n: [n] for n in range(MANY)},
        "x" * MANY,
    ],
    ids=["few", "changeable", "long texts", "tuple", "lists", "text"],
)
def test_anything_else_is_looked_at_as_a_whole(value):
    assert flat(value) is None


def test_what_takes_too_much_memory_is_not_kept():
    assert flat([None] * (MOST + 1)) is None
