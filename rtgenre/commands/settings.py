"""``rtgenre config show``: the settings in force as TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rtgenre.config import flatten
from rtgenre.errors import EX_OK

if TYPE_CHECKING:
    from rtgenre.config import Loaded


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
