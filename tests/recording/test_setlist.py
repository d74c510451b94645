"""What was played when: runs, what is merged, and how it is printed."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest

from rtgenre.commands.setlist import as_csv, markdown
from rtgenre.recording.setlist import Run, collect, merge
from tests.recording.evening import BEGAN, Part, messages


def told(parts: list[Part], min_s: float = 0.0) -> list[tuple[str, float]]:
    runs = merge(collect(messages(parts))["mic"], min_s)
    return [(run.decision, round(run.length_s, 1)) for run in runs]


def test_each_decision_is_a_run_of_its_length() -> None:
    parts = [
        Part("starting", 1.0),
        Part("disco", 30.0),
        Part("silence", 4.0),
        Part("metal", 60.0),
        Part("unknown", 5.0),
    ]
    assert told(parts) == [("starting", 0.9), ("disco", 30), ("silence", 4), ("metal", 60), ("unknown", 5)]


def test_a_short_run_between_two_of_the_same_joins_them() -> None:
    assert told([Part("disco", 30.0), Part("metal", 3.0), Part("disco", 30.0)], 20.0) == [("disco", 62.9)]


def test_a_short_run_between_two_others_goes_to_the_shorter() -> None:
    assert told([Part("disco", 90.0), Part("blues", 3.0), Part("metal", 30.0)], 20.0) == [
        ("disco", 89.9),
        ("metal", 33),
    ]


def test_a_passage_that_changes_its_mind_is_a_run_of_its_own() -> None:
    restless = [Part(says, 4.0) for _ in range(10) for says in ("blues", "metal", "blues")]
    assert told([Part("disco", 90.0), *restless], 20.0) == [("disco", 89.9), ("blues", 120)]


def test_what_is_all_short_is_one_run_called_after_its_longest() -> None:
    assert told([Part("disco", 3.0), Part("metal", 5.0), Part("disco", 1.0)], 20.0) == [("metal", 8.9)]


def test_nothing_is_merged_over_a_break_and_nothing_is_lost() -> None:
    one = messages([Part("disco", 60.0), Part("metal", 5.0)])
    other = messages([Part("disco", 60.0)], session="two", began_s=BEGAN + 600)
    runs = merge(collect([*one, *other])["mic"], 20.0)
    assert [(run.decision, round(run.length_s)) for run in runs] == [("disco", 65), ("disco", 60)]
    assert runs[1].begin_s - runs[0].end_s == pytest.approx(535, abs=0.2)


def test_two_sources_are_two_lists() -> None:
    both = [*messages([Part("disco", 30.0)], source="a"), *messages([Part("metal", 30.0)], source="b")]
    found = collect(both)
    assert {name: [run.decision for run in runs] for name, runs in found.items()} == {"a": ["disco"], "b": ["metal"]}


def test_tracks_are_counted_and_titles_kept() -> None:
    parts = [Part("disco", 30.0, 1, "A - One"), Part("disco", 30.0, 2, "B - Two"), Part("metal", 30.0, 3, "C | Three")]
    runs = merge(collect(messages(parts))["mic"], 20.0)
    assert [(run.decision, len(run.tracks), run.titles) for run in runs] == [
        ("disco", 2, ["A - One", "B - Two"]),
        ("metal", 1, ["C | Three"]),
    ]
    assert runs[0].confidence == pytest.approx(0.8, abs=0.01)


def found() -> dict[str, list[Run]]:
    parts = [Part("disco", 90.0, 1, "A - One"), Part("silence", 30.0, 1), Part("metal", 600.0, 2, "C | Three\x1b[2J")]
    return {"mic": merge(collect(messages(parts))["mic"], 20.0)}


def test_markdown_says_when_how_long_and_how_sure() -> None:
    text = markdown(found(), dt.UTC)
    assert text.splitlines() == [
        "# Set list: mic, 2026-11-21 20:00–20:11 (UTC)",
        "",
        "| from | for | genre | sure | tracks | titles |",
        "|---|---|---|---|---|---|",
        "| 20:00:00 | 1:30 | disco | 80 % | 1 | A - One |",
        "| 20:01:29 | 0:30 | *silence* |  |  |  |",
        "| 20:01:59 | 10:00 | metal | 80 % | 1 | C \\| Three\\x1b[2J |",
        "",
        "In all 11:30 of music: metal 10:00, disco 1:30.",
    ]


def test_csv_can_be_read_by_a_program() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(found(), dt.UTC))))
    assert [row["decision"] for row in rows] == ["disco", "silence", "metal"]
    assert [row["is_genre"] for row in rows] == ["1", "0", "1"]
    begun, ended = (dt.datetime.fromisoformat(rows[2][name]) for name in ("from", "to"))
    assert (ended - begun).total_seconds() == pytest.approx(float(rows[2]["seconds"]), abs=1.0)
    assert rows[2]["titles"].startswith("C | Three")
