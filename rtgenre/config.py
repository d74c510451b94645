"""``config.toml`` → validated settings. Unknown keys and values out of range are errors with a remedy.

Every setting, its default and its unit stand in ``config.toml`` at the top of the repository; a test holds that
file equal to the classes below. Precedence: command line, then ``RTGENRE_SECTION__KEY``, then the file, then the
default.
"""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
import platformdirs
from msgspec import Meta

from rtgenre.errors import ConfigError, UsageError, nearest
from rtgenre.outputs.settings import MidiSettings, MqttSettings, OscSettings, TextSettings, WebSettings
from rtgenre.posterior.decision import PolicySettings
from rtgenre.sources import SourceSettings, check_source, check_together, shared, source_kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Loaded", "Settings", "SourceSettings", "load", "source_kind"]

ENV_PREFIX = "RTGENRE_"
ENV_FILE = "RTGENRE_CONFIG"
COMMAND_LINE = "command line"

# Settings of the policy of which the first must be at least the second, and what would happen otherwise.
_AT_LEAST = (
    ("not_music_leave", "not_music_enter", "not_music would end where it begins"),
    ("change_window_s", "change_adopt_s", "no change of track would ever be recognised"),
    ("change_window_s", "change_word_s", "no change of track would ever be recognised"),
)


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
    curve: Literal["auto", "always"] = "auto"
    keys: str = ""
    max_connections: Annotated[int, Meta(ge=1, le=500)] = 100


class RecordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a run (``[record]``)."""

    folder: str = ""
    sound: bool = False
    rotate_mb: Annotated[float, Meta(ge=0.01, le=100_000.0)] = 64.0
    rotate_h: Annotated[float, Meta(ge=0.001, le=1000.0)] = 1.0


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Logs on stderr (``[log]``)."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; one attribute a section of ``config.toml``, and ``sources``.

    Attributes:
        sources: of ``[[sources]]``, where there are several; what ``[source]`` says for all is in them already.
    """

    source: SourceSettings = SourceSettings()
    sources: tuple[SourceSettings, ...] = ()
    model: ModelSettings = ModelSettings()
    posterior: PolicySettings = PolicySettings()
    labels: LabelSettings = LabelSettings()
    feed: FeedSettings = FeedSettings()
    web: WebSettings = WebSettings()
    midi: MidiSettings = MidiSettings()
    osc: OscSettings = OscSettings()
    mqtt: MqttSettings = MqttSettings()
    text: TextSettings = TextSettings()
    record: RecordSettings = RecordSettings()
    log: LogSettings = LogSettings()

    @property
    def all_sources(self) -> tuple[SourceSettings, ...]:
        """What is to be listened to: ``sources``, or the one ``source``."""
        return self.sources or (self.source,)


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
    several: Sequence[Mapping[str, object]] = ()
    found = find(path, environ)
    if found is not None:
        from_file, several = _read(found)
        values.update(from_file)
        origins.update(dict.fromkeys(from_file, str(found)))
        origins["sources"] = str(found)
    for variable, text in sorted(environ.items()):
        key = _env_key(variable)
        if key is not None:
            values[key] = _env_value(key, text)
            origins[key] = f"${variable}"
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    asked = given.pop("sources", ())
    values.update(given)
    origins.update(dict.fromkeys(given, COMMAND_LINE))
    if origins["source.use"] not in {"default", str(found)}:
        several = ()  # whoever names one source there means that one
    if asked:
        several, origins["sources"] = cast("Sequence[Mapping[str, object]]", asked), COMMAND_LINE
    settings = _validate(values, origins)
    if several:
        settings = msgspec.structs.replace(settings, sources=_several(several, values, origins))
    return Loaded(settings, origins, found)


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


@functools.cache
def _sections() -> dict[str, type[msgspec.Struct]]:
    """Name → class of every section that stands once."""
    return {name: kind for name, kind in get_type_hints(Settings).items() if name != "sources"}


@functools.cache
def _known() -> dict[str, tuple[str, str]]:
    """``section.key`` → (section, key) of every setting."""
    return {f"{s}.{k}": (s, k) for s, kind in _sections().items() for k in get_type_hints(kind)}


def _read(path: Path) -> tuple[dict[str, object], list[Mapping[str, object]]]:
    """``section.key`` → value of a file, and its ``[[sources]]``."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "check that it is a text file you may read") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}", "mend that line; `rtgenre config check` tells"
        ) from None
    sections = _sections()
    values: dict[str, object] = {}
    several = tables.pop("sources", [])
    if not isinstance(several, list) or not all(isinstance(table, dict) for table in several):
        raise ConfigError(f"{path}: sources is not a list of tables", "begin each of them with a line [[sources]]")
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
    if several and values.get("source.use", "auto") != "auto":
        raise ConfigError(
            f"{path} has both source.use = {values['source.use']!r} and [[sources]]",
            "make it one of [[sources]], or take them away",
        )
    return values, several


def _check_key(section: str, key: str, where: str) -> None:
    keys = get_type_hints(_sections()[section])
    if key not in keys:
        raise ConfigError(f"{where}: unknown setting {key!r} in [{section}]", nearest(key, keys))


def _env_key(variable: str) -> str | None:
    if not variable.startswith(ENV_PREFIX):
        return None
    sections = _sections()
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
    chosen: dict[str, dict[str, object]] = {section: {} for section in _sections()}
    for key, value in values.items():
        section, name = _known()[key]
        chosen[section][name] = _converted(_sections()[section], name, value, key, origins[key])
    settings = Settings(**{section: kind(**chosen[section]) for section, kind in _sections().items()})  # type: ignore[arg-type]
    _check_source(settings.source, "source", origins["source.use"])
    for larger, smaller, otherwise in _AT_LEAST:
        value, least = (getattr(settings.posterior, name) for name in (larger, smaller))
        if value < least:
            said = [f"posterior.{name} ({origins[f'posterior.{name}']})" for name in (larger, smaller)]
            raise ConfigError(
                f"{said[0]} is {value}, below {said[1]}, {least}: {otherwise}",
                f"let {larger} be at least {smaller}",
            )
    return settings


def _several(
    tables: Sequence[Mapping[str, object]], values: Mapping[str, object], origins: Mapping[str, str]
) -> tuple[SourceSettings, ...]:
    """``[[sources]]``, each with what ``[source]`` says for all of them.

    Args:
        tables: one a source.
        values: ``section.key`` → value, for ``[source]``.
        origins: where each came from; ``sources`` is that of the tables.
    """
    if values.get("source.name"):
        raise ConfigError(
            f"source.name = {values['source.name']!r} ({origins['source.name']}) is one name for {len(tables)} sources",
            "give each of [[sources]] its name",
        )
    for_all = shared(
        {name: values[key] for key, (section, name) in _known().items() if section == "source" and key in values}
    )
    keys = get_type_hints(SourceSettings)
    found = []
    for number, table in enumerate(tables, start=1):
        where, origin = f"sources[{number}]", origins["sources"]
        for key in table:
            if key not in keys:
                raise ConfigError(f"{origin}: unknown setting {key!r} in [[sources]]", nearest(key, keys))
        chosen = {
            key: _converted(SourceSettings, key, value, f"{where}.{key}", origin)
            for key, value in (for_all | dict(table)).items()
        }
        source = SourceSettings(**chosen)  # type: ignore[arg-type]  # converted above
        _check_source(source, where, origin)
        found.append(source)
    check_together(found)
    return tuple(found)


def _check_source(source: SourceSettings, where: str, origin: str) -> None:
    try:
        check_source(source, where)
    except UsageError as error:
        if origin == COMMAND_LINE:
            raise
        raise ConfigError(f"{where}.use ({origin}): {error.message}", error.remedy) from None


def _converted(section: type[msgspec.Struct], name: str, value: object, label: str, origin: str) -> object:
    """A value in the type of its setting.

    Args:
        section: the class that has it.
        name: of the setting.
        value: as it was given.
        label: how to call it.
        origin: where it came from.
    """
    wanted = get_type_hints(section, include_extras=True)[name]
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        default = getattr(section(), name)
        choices = get_args(wanted) if get_origin(wanted) is Literal else ()
        described = [meta.description for meta in get_args(wanted) if isinstance(meta, Meta) and meta.description]
        what = f"choose one of {', '.join(choices)}" if choices else f"the default is {default!r}"
        what = described[0] if described else what
        kind = UsageError if origin == COMMAND_LINE else ConfigError
        raise kind(f"{label} = {value!r} ({origin}) is not allowed: {error}", what) from None
