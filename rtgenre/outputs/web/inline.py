"""A page with its style sheet and its modules put into it, so that a browser needs one request to show it.

On a busy machine each further request costs a browser tens of milliseconds. The files stay as they are, and are put
together when the server starts: there is no build step. A module becomes a function's scope of its own, so names of two
modules never meet. What a module may write is what ``_IMPORT`` and ``_EXPORT`` read: imports by name from ``/static/``,
one line each, and ``export`` before a declaration.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLE = re.compile(r'<link rel="stylesheet" href="/static/([\w.]+)">')
_MODULE = re.compile(r'<script type="module" src="/static/([\w.]+)"></script>')
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "/static/([\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|class|function) (\w+))", re.MULTILINE)


def inlined(page: str, files: Mapping[str, str]) -> tuple[str, list[str]]:
    """Put together a page.

    Args:
        page: HTML.
        files: name → text of each file in ``/static/`` that it, or a module, names.

    Returns:
        HTML that needs none of them, and for a content security policy the hashes of its scripts.
    """
    hashes: list[str] = []

    def script(found: re.Match[str]) -> str:
        text = "\n" + _with_imports(found[1], files)
        hashes.append("sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
        return f'<script type="module">{text}</script>'

    page = _STYLE.sub(lambda found: f"<style>\n{files[found[1]]}</style>", page)
    return _MODULE.sub(script, page), hashes


def _with_imports(name: str, files: Mapping[str, str]) -> str:
    """A module, behind all that it imports, each once and in the order in which they need one another."""
    needed: dict[str, str] = {}

    def add(one: str) -> None:
        if one not in needed:
            for _, other in _IMPORT.findall(files[one]):
                add(other)
            exports = ", ".join(_EXPORT.findall(files[one]))
            needed[one] = f"const {_scope(one)} = (() => {{\n{_body(files[one])}\nreturn {{ {exports} }};\n}})();\n"

    for _, other in _IMPORT.findall(files[name]):
        add(other)
    return "".join(needed.values()) + _body(files[name])


def _body(text: str) -> str:
    return _EXPORT.sub("", _IMPORT.sub(lambda found: f"const {found[1]} = {_scope(found[2])};", text))


def _scope(name: str) -> str:
    return "$" + name.replace(".", "_")
