"""``rtgenre literature`` from what the command line asks for to the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rtgenre.commands import literature as commands
from rtgenre.commands.literature import Asked, default_jobs, literature, show_list, train_recipe
from rtgenre.errors import RtgenreError
from rtgenre.training.literature.catalogue import SYSTEMS
from tests.corpus import AUDIO, SPECTRA, needs_audio, needs_spectra
from tests.in_process import logging_as_it_was
from tests.training.literature.made import write_gtzan
from tests.training.teacher_file import write_teacher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def gtzan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spectra with the table beside them, and FMA where it usually lies."""
    root = tmp_path_factory.mktemp("made")
    spectra, _, _ = write_gtzan(root / "gtzan")
    (root / "fma_small").mkdir()
    write_teacher(root / "fma_small" / "fma_small_mfcc.npz", clips=40)
    return spectra


@pytest.fixture(autouse=True)
def _of_its_own(gtzan: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The user's own cache is not touched, and logging is left as it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(gtzan.parent / "cache"))
    with logging_as_it_was():
        yield


def asked(gtzan: Path, tmp_path: Path, *only: str, **others: object) -> Asked:
    return Asked(data=gtzan, only=only, quick=True, quiet=True, out=tmp_path / "page", **others)  # type: ignore[arg-type]


def test_the_list_has_every_system_and_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_list((), as_json=True) == 0
    listed = {row["recipe"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(listed) == {recipe.name for recipe in SYSTEMS}
    assert listed["crnn-lstm"]["published"] == 0.875
    assert listed["deepbeats-lstm"]["parameters"] == 57_802
    show_list(("ablation-cnn-*",), as_json=False)
    assert "ablation-cnn-only-chroma" in capsys.readouterr().out


def test_a_quick_run_writes_the_page_and_goes_on_where_it_was(gtzan: Path, tmp_path: Path) -> None:
    wanted = ("deepbeats-lstm", "deepbeats-knn", "classical-rf-clip", "ablation-cnn", "ablation-cnn-*-*c*")
    literature(asked(gtzan, tmp_path, *wanted))
    page = (tmp_path / "page" / "literature.md").read_text(encoding="utf-8")
    assert page.splitlines()[2].startswith("On the artist-filtered protocol the best of 4 systems")
    assert "This is a quick run" in page
    assert "| 57,802 | 57,802 |" in page  # printed, and built for the printed input
    assert "`ablation-cnn-only-zcr`: a zero-crossing rate cannot be had from spectra" in page
    assert "`ablation-cnn-without-zcr`: a zero-crossing rate cannot be had from spectra" in page
    genre_by_genre = (tmp_path / "page" / "literature" / "genres.md").read_text(encoding="utf-8")
    assert "](literature/genres.md)" in page
    assert genre_by_genre.count("\n## `") == 4
    assert genre_by_genre.count("\n| disco |") == 4
    for name in ("fall", "genres", "confusions", "ablation", "trace"):
        assert f"](literature/{name}.png)" in page
        assert (tmp_path / "page" / "literature" / f"{name}.png").stat().st_size > 1000
    file = tmp_path / "page" / "literature" / "runs.jsonl"
    kept = file.read_text(encoding="utf-8")
    runs = [json.loads(line) for line in kept.splitlines()]
    assert all(run["train_s"] >= 0 and run["data"]["clips"] == 18 for run in runs if "pieces" in run)
    literature(asked(gtzan, tmp_path, *wanted))
    assert file.read_text(encoding="utf-8") == kept


def test_figures_do_not_depend_on_the_number_of_processes(gtzan: Path, tmp_path: Path) -> None:
    found = []
    for jobs in (1, 2):
        file = tmp_path / f"{jobs}.jsonl"
        literature(asked(gtzan, tmp_path, "mlp-appendix", "deepbeats-knn", protocol="clips", jobs=jobs, runs=file))
        runs = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        found.append({run["recipe"]: (run["key"], run["pieces"], run["clips"], run["groups"]) for run in runs})
    assert found[0] == found[1]
    assert set(found[0]) == {"mlp-appendix", "deepbeats-knn"}


@pytest.mark.parametrize("name", ["classical-nb", "mlp-appendix"])
def test_one_recipe_is_trained_on_each_protocol(name: str, gtzan: Path, tmp_path: Path) -> None:
    train_recipe(name, Asked(data=gtzan, quick=True, quiet=True), tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert [run["protocol"] for run in metrics["runs"]] == ["published", "clips", "artists"]
    assert all(0.0 <= run["pieces"]["accuracy"] <= 1.0 for run in metrics["runs"])
    assert (tmp_path / "out" / "model.safetensors").is_file() == (name == "mlp-appendix")


def test_without_artists_two_protocols_are_left(gtzan: Path, tmp_path: Path) -> None:
    literature(
        Asked(audio=gtzan.parent / "genres", only=("deepbeats-knn",), quick=True, quiet=True, out=tmp_path / "page")
    )
    page = (tmp_path / "page" / "literature.md").read_text(encoding="utf-8")
    assert page.splitlines()[2].startswith("No system was run on the artist-filtered protocol")
    assert "artists are not known" in page


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"data": None}, "give --data FILE.npz"),
        ({"only": ("deepbeats",)}, "did you mean"),
        ({"protocol": "artist"}, "did you mean artists"),
        ({"only": ("*-only-zcr",)}, "a zero-crossing rate cannot be had"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(
    choices: dict[str, object], told: str, gtzan: Path, tmp_path: Path
) -> None:
    values = {"data": gtzan, "quick": True, "quiet": True, "out": tmp_path / "page", **choices}
    with pytest.raises(RtgenreError) as caught:
        literature(Asked(**values))  # type: ignore[arg-type]
    assert told in str(caught.value)


def test_a_recipe_that_there_is_not_is_one_clear_error(gtzan: Path, tmp_path: Path) -> None:
    with pytest.raises(RtgenreError, match="did you mean cnn"):
        train_recipe("cnnn", Asked(data=gtzan), tmp_path / "out")


@pytest.mark.data
@pytest.mark.timeout(600)
@needs_audio
@needs_spectra
def test_from_sound_networks_are_as_large_as_printed(tmp_path: Path) -> None:
    """As sound, the framing is the papers', and there is a zero-crossing rate."""
    wanted = ("deepbeats-lstm", "ablation-lstm", "ablation-cnn", "ablation-cnn-only-zcr")
    file = tmp_path / "runs.jsonl"
    literature(
        Asked(
            audio=AUDIO, data=SPECTRA, only=wanted, protocol="published", quick=True, quiet=True,
            out=tmp_path / "page", runs=file, jobs=default_jobs(),
        )
    )  # fmt: skip
    runs = {run["recipe"]: run for run in map(json.loads, file.read_text(encoding="utf-8").splitlines())}
    assert set(runs) == set(wanted)
    assert runs["deepbeats-lstm"]["parameters"] == 57_802
    assert runs["deepbeats-lstm"]["shape"] == [130, 13]
    assert runs["ablation-lstm"]["parameters"] == 107_466
    assert runs["ablation-cnn"]["parameters"] == 52_298


@pytest.mark.data
@pytest.mark.timeout(600)
@needs_spectra
def test_every_system_runs_on_the_clips_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every genre, split and system, on half the clips of a quick run: a held-out one and two others of each genre.
    monkeypatch.setattr(commands, "_QUICK_CLIPS", 3)
    literature(Asked(data=SPECTRA, quick=True, quiet=True, out=tmp_path / "page", jobs=default_jobs()))
    page = (tmp_path / "page" / "literature.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    without_fma = {"report-transfer"} if "there are no convolutions to transfer" in page else set()
    assert {recipe.name for recipe in SYSTEMS} - without_fma <= rows
