"""Modules put into a page keep their own names, and stand in the order in which they need one another."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from rtgenre.outputs.web.inline import inlined
from rtgenre.outputs.web.pages import STATIC

FILES = {
    "a.css": "p { color: red }\n",
    "deep.js": 'const hidden = "deep";\nexport function told() {\n  return hidden;\n}\n',
    "near.js": 'import { told } from "/static/deep.js";\nconst hidden = "near";\n'
    "export const both = [told(), hidden];\n",
    "main.js": 'import { both } from "/static/near.js";\nimport { told } from "/static/deep.js";\n'
    'const hidden = "main";\nconsole.log(JSON.stringify([...both, told(), hidden]));\n',
}
PAGE = '<link rel="stylesheet" href="/static/a.css"><script type="module" src="/static/main.js"></script>'


def test_a_page_holds_what_it_needs() -> None:
    page, (digest,) = inlined(PAGE, FILES)
    assert "<style>\np { color: red }" in page
    assert "/static/" not in page
    assert re.fullmatch(r"sha256-[\w+/]{43}=", digest)


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here: apt-get install nodejs")
def test_modules_keep_their_own_names() -> None:
    page, _ = inlined(PAGE, FILES)
    code = page.partition('<script type="module">')[2].partition("</script>")[0]
    done = subprocess.run(
        ["node", "--input-type=module"], input=code, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == '["deep","near","deep","main"]\n'


def test_what_our_own_modules_write_is_understood() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in STATIC.iterdir()}
    for name in ("overlay.html", "dashboard.html", "index.html"):
        page, hashes = inlined(files[name], files)
        assert len(hashes) == 1
        assert not re.search(r"^(import|export)\b", page, re.MULTILINE), "one that inline.py cannot read"
        assert page.count("</script>") == 1
