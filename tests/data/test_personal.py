"""Which values are personal, and that none of them stays in masked rows."""

import numpy as np
import pandas as pd
import pytest

from mlops_nb.data import personal


@pytest.mark.parametrize(
    "name", ["email", "Customer_Email", "phone", "ip", "birth_date", "full_name", "IBAN", "name"]
)
def test_a_column_may_announce_personal_data(name):
    assert personal.is_named_so(name)


@pytest.mark.parametrize("name", ["flights", "emails_sent", "shipment", "filename", "country"])
def test_other_names_announce_none(name):
    assert not personal.is_named_so(name)


@pytest.mark.parametrize(
    "text",
    [
        "ask me@example.org today",
        "+49 170 1234567",
        "DE89 3704 0044 0532 0130 00",
        "card 4539-1488-0343-6467",
    ],
)
def test_addresses_and_numbers_of_persons_are_found_in_texts(text):
    assert personal.is_personal(text)


@pytest.mark.parametrize(
    "text", ["EWR", "4539-1488-0343-6468", "DE88 3704 0044 0532 0130 00", "2026-11-28 17:47:43"]
)
def test_texts_with_wrong_check_digits_are_no_accounts(text):
    assert not personal.is_personal(text)


def test_masked_columns_keep_their_types_and_nothing_of_their_values():
    rows = pd.DataFrame(
        {
            "size": [1.5, 2.5],
            "note": ["call +49 170 1234567", None],
            "birth_year": [1970, 1980],
            "dob": pd.to_datetime(["1970-01-01", "1980-01-01"]),
            "surname": pd.Categorical(["Kim", "Lee"]),
        }
    )
    shown, note = personal.masked(rows)
    assert note == "; values hidden, as they may be personal: note, birth_year, dob, surname"
    assert shown.dtypes.tolist() == rows.dtypes.tolist()
    assert shown["size"].tolist() == [1.5, 2.5]
    assert shown["note"].tolist()[0] == "hidden"
    assert shown["birth_year"].tolist() == [0, 0]
    assert shown[["dob", "surname"]].isna().all().all()


def test_rows_without_personal_values_stay_as_they_are():
    for rows in (pd.DataFrame({"a": [1], "b": ["x"]}), np.eye(2), ["a text"], pd.Series(["x"])):
        assert personal.masked(rows) == (rows, "") or personal.masked(rows)[0] is rows


@pytest.mark.parametrize("make", [list, np.array, pd.Series])
def test_texts_with_a_personal_value_are_all_hidden(make):
    shown, note = personal.masked(make(["a@b.org", "x"]))
    assert list(shown) == ["hidden", "hidden"]
    assert "its texts" in note
