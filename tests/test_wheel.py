"""A built wheel works far from the checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_daemon import environment

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.real


def test_the_wheel_holds_everything_that_it_needs(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("rtgenre-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(installed)
    assert "rtgenre/bundled/models/gtzan-lstm/model.safetensors" in names
    assert "rtgenre/bundled/config.toml" in names
    assert "rtgenre/bundled/feed.schema.json" in names
    assert "rtgenre/outputs/web/static/overlay.html" in names
    assert [n for n in names if n.startswith(("tests/", "docs/")) or n.endswith((".npz", ".wav"))] == []
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import rtgenre; print(rtgenre.__file__); "
    code += "from rtgenre.cli import main; sys.argv = ['rtgenre', 'doctor', '--json']; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    where, *findings = done.stdout.decode().splitlines()
    assert where.startswith(str(installed))
    assert {f["check"]: f["verdict"] for f in map(json.loads, findings)}["model"] == "ok"
    assert done.returncode == 0, done.stderr
