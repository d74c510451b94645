"""What every benchmark's result ends with: the machine, and how busy it was; printed and kept as one JSON line."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def keep(found: dict[str, object], out: Path | None) -> None:
    """Print a result, and append it to a file where one is named."""
    machine = {
        "machine": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(x, 1) for x in os.getloadavg()],
    }
    line = json.dumps(found | machine)
    print(line, flush=True)
    if out is not None:
        with out.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
