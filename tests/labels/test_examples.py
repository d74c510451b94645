from __future__ import annotations

import pytest

from rtgenre.errors import UsageError
from rtgenre.labels.examples import checked_name


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "..", "a.b", "-x", "a\n", "a" * 40, "own.head", "\x1b[2J"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        checked_name(name, ("jazz",))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("party 🎉 mix", "'🎉' is not allowed"),
        ("drum & bass", "'&' is not allowed"),
        ("a\u200db", r"'\\u200d' is not allowed"),
        ("-x", "begins with '-'"),
        ("x_", "ends with '_'"),
        ("x" * 33, "has 33 characters"),
        ("", "is empty"),
    ],
)
def test_what_a_name_is_refused_for_is_named(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        checked_name(name, ("jazz",))


def test_names_of_shipped_labels_are_taken() -> None:
    assert checked_name("free jazz 2", ("jazz",)) == "free jazz 2"
    with pytest.raises(UsageError, match="label of the model itself"):
        checked_name("Jazz", ("jazz",))


@pytest.mark.parametrize("name", ["none", "None", "not_music", "Not Music", "STALE", "none of these", "unknown"])
def test_what_is_said_where_there_is_no_label_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="where there is no label"):
        checked_name(name, ("jazz",))
