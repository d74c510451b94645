"""Write docs/feed.schema.json from the message table (rtgenre/outputs/wire.py): `make schema`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rtgenre.outputs.wire import json_schema

OUT = Path(__file__).parents[1] / "docs" / "feed.schema.json"

if __name__ == "__main__":
    OUT.write_bytes(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2) + b"\n")
    print(f"wrote {OUT.name}")
