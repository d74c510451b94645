from __future__ import annotations

import subprocess
import sys

from rtgenre.frontend.compiling import is_marked, kernel, mark


def test_a_kernel_without_a_cache_folder_still_compiles() -> None:
    scope: dict[str, object] = {}
    exec("def add(a, b):\n    return a + b\n", scope)  # noqa: S102 - a function without a file has no cache
    add = kernel(scope["add"])
    assert add(1, 2) == 3
    mark(add, 2048)
    assert not is_marked(add, 2048)


def test_a_spec_needs_no_compiler() -> None:
    # The capture child and ``rtgenre config`` start in a fraction of a second because of this.
    code = (
        "import sys, rtgenre.frontend.spec as s; s.FrontendSpec()\n"
        "print('numba' in sys.modules, 'scipy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.split() == ["False", "False"]


def test_the_frontend_needs_no_torch_and_none_of_the_test_references() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None  # numba takes it where it is, and needs it not\n"
        "import numpy as np\n"
        "from rtgenre.frontend.spec import FrontendSpec\n"
        "from rtgenre.frontend.stream import Frontend\n"
        "print(Frontend(FrontendSpec()).offline(np.ones(5000, np.float32)).shape)\n"
        "print('torch' in sys.modules, 'librosa' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert shown.stdout.split() == ["(2,", "135)", "False", "False"]
