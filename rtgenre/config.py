"""``config.toml`` → validated settings. Unknown keys and values out of range are errors with a remedy.

Every setting, its default and its unit stand in ``config.toml`` at the top of the repository; a test holds that
file equal to the classes below. Precedence: command line, then ``RTGENRE_SECTION__KEY``, then the file, then the
default.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta

from rtgenre.errors import ConfigError, UsageError, nearest
from rtgenre.posterior.decision import PolicySettings

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_PREFIX = "RTGENRE_"
ENV_FILE = "RTGENRE_CONFIG"
COMMAND_LINE = "command line"

SOURCE_KINDS = ("device", "file", "stdin", "demo", "auto")
SOURCE_FORMS = "device, device:NAME, file:PATH, stdin, demo or auto"

Name = Annotated[str, Meta(pattern=r"^([a-z0-9_-]{1,32})?$", description="use a-z, 0-9, _ and -, at most 32 of them")]
Channel = Annotated[int, Meta(ge=1)]
CountOrAuto = Annotated[int, Meta(ge=0, le=1_000_000)]


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sound comes from (``[source]``)."""

    use: str = "auto"
    name: Name = ""
    sample_rate: CountOrAuto = 0
    channels: CountOrAuto = 0
    pick: Annotated[list[Channel], Meta(description="channels are counted from 1; [] means all")] = []
    format: Literal["s16le", "s24le", "s32le", "f32le"] = "s16le"
    realtime: bool = True
    block_samples: Annotated[int, Meta(ge=16, le=65536)] = 1024
    latency_s: Annotated[float, Meta(gt=0.0, le=2.0)] = 0.05
    zeros_restart_s: Annotated[float, Meta(ge=0.0, le=86400.0)] = 30.0
    seed: CountOrAuto = 0


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which model is used, and on what (``[model]``)."""

    path: Annotated[str, Meta(min_length=1, description="name a shipped model, or a folder")] = "gtzan-lstm"
    device: Literal["auto", "cpu", "torch", "cuda"] = "auto"


class LabelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one's own (``[labels]``)."""

    own: bool = True
    folder: str = ""


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ZeroMQ feed (``[feed]``)."""

    enabled: bool = True
    publish: str = "tcp://127.0.0.1:5560"
    control: str = "tcp://127.0.0.1:5561"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Logs on stderr (``[log]``)."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; one attribute a section of ``config.toml``."""

    source: SourceSettings = SourceSettings()
    model: ModelSettings = ModelSettings()
    posterior: PolicySettings = PolicySettings()
    labels: LabelSettings = LabelSettings()
    feed: FeedSettings = FeedSettings()
    log: LogSettings = LogSettings()


class Loaded(msgspec.Struct, frozen=True):
    """Settings and where each came from.

    Attributes:
        settings: validated.
        origins: ``section.key`` → ``default``, a file's path, an environment variable or ``command line``.
        path: the file that was read; None where there was none.
    """

    settings: Settings
    origins: dict[str, str]
    path: Path | None


def load(
    path: Path | None = None, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ
) -> Loaded:
    """Read, merge and validate.

    Args:
        path: of a file that must exist; None searches ``$RTGENRE_CONFIG``, then the user's folder, and is content
            with defaults.
        overrides: ``section.key`` → value from the command line; None values are left out.
        environ: environment variables.

    Raises:
        ConfigError: unreadable file, unknown section or key, wrong type, value out of range.
        UsageError: a value of the command line is.
    """
    values: dict[str, object] = {}
    origins = dict.fromkeys(_known(), "default")
    found = find(path, environ)
    if found is not None:
        from_file = _read(found)
        values.update(from_file)
        origins.update(dict.fromkeys(from_file, str(found)))
    for variable, text in sorted(environ.items()):
        key = _env_key(variable)
        if key is not None:
            values[key] = _env_value(key, text)
            origins[key] = f"${variable}"
    for key, value in (overrides or {}).items():
        if value is not None:
            values[key] = value
            origins[key] = COMMAND_LINE
    return Loaded(_validate(values, origins), origins, found)


def source_kind(use: str) -> tuple[str, str]:
    """Take ``source.use`` apart: kind, and device name or path.

    Raises:
        UsageError: it is none of ``SOURCE_FORMS``.
    """
    kind, colon, rest = use.partition(":")
    takes_more = kind in {"device", "file"}
    if kind not in SOURCE_KINDS:
        raise UsageError(f"there is no source {use!r}; {nearest(kind, SOURCE_KINDS)}", f"choose {SOURCE_FORMS}")
    if (colon and not (takes_more and rest)) or (kind == "file" and not rest):
        raise UsageError(f"the source {use!r} is not complete, or too much", f"choose {SOURCE_FORMS}")
    return kind, rest


def find(path: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: as given, ``$RTGENRE_CONFIG``, or the one in the user's config folder.

    Raises:
        ConfigError: a file was named that does not exist.
    """
    if path is None and environ.get(ENV_FILE):
        path = Path(environ[ENV_FILE])
    if path is not None:
        if not path.is_file():
            raise ConfigError(f"there is no config file {path}", "`rtgenre config show` prints one to start from")
        return path
    default = user_path()
    return default if default.is_file() else None


def user_path() -> Path:
    """Where a user's own ``config.toml`` is looked for."""
    return Path(platformdirs.user_config_dir("rtgenre", appauthor=False)) / "config.toml"


def schema() -> dict[str, object]:
    """JSON Schema of the settings."""
    return msgspec.json.schema(Settings)


def flatten(settings: Settings) -> dict[str, object]:
    """``section.key`` → value, in the order of the classes."""
    return {key: getattr(getattr(settings, section), name) for key, (section, name) in _known().items()}


def _known() -> dict[str, tuple[str, str]]:
    """``section.key`` → (section, key) of every setting."""
    sections = get_type_hints(Settings)
    return {f"{s}.{k}": (s, k) for s, kind in sections.items() for k in get_type_hints(kind)}


def _read(path: Path) -> dict[str, object]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "check that it is a text file you may read") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}", "mend that line; `rtgenre config check` tells"
        ) from None
    sections = get_type_hints(Settings)
    values: dict[str, object] = {}
    for section, table in tables.items():
        if not isinstance(table, dict):
            where = [s for s, kind in sections.items() if section in get_type_hints(kind)]
            hint = f"write it below a line [{where[0]}]" if where else "settings stand below a line [section]"
            raise ConfigError(f"{path}: {section!r} stands outside of any section", hint)
        if section not in sections:
            raise ConfigError(f"{path}: unknown section [{section}]", nearest(section, sections))
        for key, value in table.items():
            _check_key(section, key, str(path))
            values[f"{section}.{key}"] = value
    return values


def _check_key(section: str, key: str, where: str) -> None:
    keys = get_type_hints(get_type_hints(Settings)[section])
    if key not in keys:
        raise ConfigError(f"{where}: unknown setting {key!r} in [{section}]", nearest(key, keys))


def _env_key(variable: str) -> str | None:
    if not variable.startswith(ENV_PREFIX):
        return None
    sections = get_type_hints(Settings)
    section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("__")
    if not key:
        if section.partition("_")[0] in sections:
            raise ConfigError(f"${variable} is not a setting", f"write ${ENV_PREFIX}SECTION__KEY, with two underscores")
        return None
    if section not in sections:
        raise ConfigError(f"${variable}: unknown section {section!r}", nearest(section, sections))
    _check_key(section, key, f"${variable}")
    return f"{section}.{key}"


def _env_value(key: str, text: str) -> object:
    """An environment variable is text: a TOML value where the setting is not text itself."""
    section, name = _known()[key]
    if isinstance(getattr(getattr(Settings(), section), name), str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _validate(values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    sections = get_type_hints(Settings)
    chosen: dict[str, dict[str, object]] = {section: {} for section in sections}
    for key, value in values.items():
        section, name = _known()[key]
        wanted = get_type_hints(sections[section], include_extras=True)[name]
        try:
            chosen[section][name] = msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            default = getattr(getattr(Settings(), section), name)
            choices = get_args(wanted) if get_origin(wanted) is Literal else ()
            described = [meta.description for meta in get_args(wanted) if isinstance(meta, Meta) and meta.description]
            what = f"choose one of {', '.join(choices)}" if choices else f"the default is {default!r}"
            what = described[0] if described else what
            kind = UsageError if origins[key] == COMMAND_LINE else ConfigError
            raise kind(f"{key} = {value!r} ({origins[key]}) is not allowed: {error}", what) from None
    settings = Settings(**{section: kind(**chosen[section]) for section, kind in sections.items()})
    try:
        source_kind(settings.source.use)
    except UsageError as error:
        if origins["source.use"] == COMMAND_LINE:
            raise
        raise ConfigError(f"source.use ({origins['source.use']}): {error.message}", error.remedy) from None
    if settings.source.name == "heartbeat":
        raise ConfigError("source.name = 'heartbeat' is taken by the feed itself", "choose another name, such as mic")
    return settings
