"""``rtgenre config``: the settings in force, and whether they can work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rtgenre import app
from rtgenre.config import flatten
from rtgenre.errors import EX_OK
from rtgenre.outputs.zmq_feed import check_address

if TYPE_CHECKING:
    from rtgenre.config import Loaded


def check(loaded: Loaded) -> int:
    """Look beyond types and ranges: does the model exist, may the addresses be bound?

    Raises:
        RtgenreError: something cannot work.
    """
    check_address(loaded.settings.feed.publish, "feed.publish")
    check_address(loaded.settings.feed.control, "feed.control")
    app.load_checkpoint(loaded.settings.model)
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
    return EX_OK
