"""``rtgenre config``: the settings in force, and whether they can work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rtgenre import app, captures
from rtgenre.config import flatten
from rtgenre.errors import EX_OK

if TYPE_CHECKING:
    from rtgenre.config import Loaded


def check(loaded: Loaded) -> int:
    """Look beyond types and ranges: everything that the daemon would refuse before it opens a device or a port.

    Raises:
        RtgenreError: something cannot work.
    """
    settings = loaded.settings
    captures.by_device(settings.all_sources)
    if settings.feed.enabled:
        app.feed_curve(settings.feed)
    app.check_outputs(settings)
    app.load_checkpoint(settings.model)
    print(f"{loaded.path or 'no settings file: defaults'}: ok")
    return EX_OK


def show(loaded: Loaded, *, with_origin: bool) -> int:
    """Print every setting, ready to be kept as a file.

    Args:
        loaded: settings and where each came from.
        with_origin: add that as a comment.
    """
    section = ""
    for full_name, value in flatten(loaded.settings).items():
        heading, _, key = full_name.partition(".")
        if heading != section:
            print(f"{'' if not section else chr(10)}[{heading}]")
            section = heading
        origin = f"  # {loaded.origins[full_name]}" if with_origin else ""
        # JSON's strings, numbers, booleans and lists are TOML's too.
        print(f"{key} = {msgspec.json.encode(value).decode()}{origin}")
    for source in loaded.settings.sources:
        origin = f"  # {loaded.origins['sources']}" if with_origin else ""
        print(f"\n[[sources]]{origin}")
        for key in source.__struct_fields__:
            print(f"{key} = {msgspec.json.encode(getattr(source, key)).decode()}")
    return EX_OK
