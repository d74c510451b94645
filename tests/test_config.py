import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgenre import config
from rtgenre.errors import EX_CONFIG, ConfigError

ROOT = Path(__file__).parents[1]


def test_the_file_at_the_top_lists_every_setting_with_its_default() -> None:
    shipped = tomllib.loads((ROOT / "config.toml").read_text())
    listed = {f"{section}.{key}": value for section, table in shipped.items() for key, value in table.items()}
    assert listed == config.flatten(config.Settings())


def test_every_setting_in_the_file_is_explained() -> None:
    lines = (ROOT / "config.toml").read_text().splitlines()
    settings = [line for line in lines if "=" in line and not line.startswith("#")]
    unexplained = [line for line in settings if "#" not in line and "tcp://" not in line and "enabled" not in line]
    assert unexplained == []


def test_precedence_is_command_line_then_environment_then_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[posterior]\nmargin = 0.1\ndwell_s = 3\nwarmup_s = 4.0\n")
    environ = {"RTGENRE_POSTERIOR__MARGIN": "0.2", "RTGENRE_POSTERIOR__DWELL_S": "5", "RTGENRE_CONFIG": str(path)}
    loaded = config.load(None, {"posterior.margin": 0.3, "posterior.smoothing_s": None}, environ)
    policy = loaded.settings.posterior
    assert (policy.margin, policy.dwell_s, policy.warmup_s, policy.smoothing_s) == (0.3, 5.0, 4.0, 20.0)
    keys = ("margin", "dwell_s", "warmup_s", "smoothing_s")
    origins = [loaded.origins[f"posterior.{key}"] for key in keys]
    assert origins == ["command line", "$RTGENRE_POSTERIOR__DWELL_S", str(path), "default"]


def test_environment_values_are_toml_where_the_setting_is_not_text() -> None:
    environ = {
        "RTGENRE_FEED__ENABLED": "false",
        "RTGENRE_SOURCE__PICK": "[3, 4]",
        "RTGENRE_SOURCE__USE": "device:3",
        "RTGENRE_OTHER": "not ours",
    }
    settings = config.load(environ=environ).settings
    assert settings.feed.enabled is False
    assert settings.source.pick == [3, 4]
    assert settings.source.use == "device:3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[posterior]\nmargn = 0.1\n", ["margn", "posterior", "did you mean margin"]),
        ("[posteriour]\nmargin = 0.1\n", ["posteriour", "did you mean posterior"]),
        ("use = 'demo'\n", ["'use'", "[source]"]),
        ("[source]\nuse = 'bogus'\n", ["source.use", "bogus", "device:NAME"]),
        ("[source]\nuse = 'file:'\n", ["source.use", "file:PATH"]),
        ("[source]\nname = 'A b'\n", ["source.name", "use a-z"]),
        ("[source]\npick = [0]\n", ["source.pick", "counted from 1"]),
        ("[model]\npath = ''\n", ["model.path", "folder"]),
        ("posterior = 3\n", ["outside of any section"]),
        ("[posterior]\nmargin = 1.5\n", ["posterior.margin", "1.5", "<= 1.0", "default is 0.04"]),
        ("[posterior]\nmargin = 'much'\n", ["posterior.margin", "much", "float"]),
        ("[posterior]\nsmoothing_s = 0\n", ["posterior.smoothing_s", "> 0"]),
        ("[source]\nformat = 'mp3'\n", ["source.format", "mp3"]),
        ("[source]\nname = 'heartbeat'\n", ["heartbeat", "another name"]),
        ("[source]\npick = [0]\n", ["source.pick"]),
        (
            "[posterior]\nnot_music_enter = 0.6\n",
            ["posterior.not_music_leave (default) is 0.5", "config.toml), 0.6", "let not_music_leave be at least"],
        ),
        (
            "[posterior]\nchange_adopt_s = 10.0\n",
            ["posterior.change_window_s (default) is 9.0", "config.toml), 10.0", "let change_window_s be at least"],
        ),
        (
            "[posterior]\nchange_word_s = 10.0\n",
            ["posterior.change_window_s (default) is 9.0", "config.toml), 10.0", "let change_window_s be at least"],
        ),
        ("[model\n", ["not valid TOML", "line 1"]),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ={})
    assert caught.value.exit_code == EX_CONFIG
    assert [word for word in words if word not in str(caught.value)] == []


def test_not_music_may_end_where_it_begins_or_be_off() -> None:
    for enter, leave in ((0.4, 0.4), (0.0, 0.0)):
        overrides = {"posterior.not_music_enter": enter, "posterior.not_music_leave": leave}
        assert config.load(overrides=overrides, environ={}).settings.posterior.not_music_leave == leave


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config file"):
        config.load(tmp_path / "none.toml", environ={})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(binary, environ={})


def test_an_unknown_variable_of_ours_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"RTGENRE_FEED__PUBLSH.*\n.*did you mean publish"):
        config.load(environ={"RTGENRE_FEED__PUBLSH": "x"})


def test_a_variable_with_one_underscore_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"RTGENRE_SOURCE_USE.*\n.*two underscores"):
        config.load(environ={"RTGENRE_SOURCE_USE": "demo"})


@given(st.dictionaries(st.text(max_size=8), st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=5))))
def test_no_table_whatever_escapes_validation(tmp_path_factory: pytest.TempPathFactory, tables: dict) -> None:
    path = tmp_path_factory.mktemp("c") / "config.toml"
    lines = []
    for section, table in tables.items():
        lines.append(f"[{_quoted(section)}]")
        lines += [f"{_quoted(k)} = {v if isinstance(v, int) else _quoted(v)}" for k, v in table.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    known = set(config.Settings.__struct_fields__) - {"sources"}
    if all(section in known and not table for section, table in tables.items()):
        assert config.load(path, environ={}).settings == config.Settings()
    else:
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            config.load(path, environ={})


def _quoted(text: str) -> str:
    escaped = "".join(f"\\U{ord(c):08x}" if not (0xD800 <= ord(c) < 0xE000) else "?" for c in text)
    return f'"{escaped}"'


def test_the_schema_describes_every_section() -> None:
    definitions = config.schema()["$defs"]
    assert isinstance(definitions, dict)
    assert {"SourceSettings", "PolicySettings", "FeedSettings", "ModelSettings", "LogSettings"} <= set(definitions)
