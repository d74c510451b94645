from __future__ import annotations

import subprocess
import sys

import pytest

from rtgenre.frontend.compiling import before_each_step, is_marked, kernel, mark


def test_a_kernel_without_a_cache_folder_still_compiles() -> None:
    scope: dict[str, object] = {}
    exec("def add(a, b):\n    return a + b\n", scope)  # noqa: S102 - a function without a file has no cache
    add = kernel(scope["add"])
    assert add(1, 2) == 3
    mark(add, 2048)
    assert not is_marked(add, 2048)


def test_compiling_can_be_ended_between_two_steps_and_begun_again() -> None:
    scope: dict[str, object] = {}
    exec("def twice(a):\n    return a + a\n", scope)  # noqa: S102 - as above: compiled anew in each run
    twice = kernel(scope["twice"])
    steps = 0

    class Enough(BaseException):
        pass

    def look() -> None:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise Enough

    with pytest.raises(Enough), before_each_step(look):
        twice(1)
    assert (steps, twice.signatures) == (5, [])
    assert twice(1) == 2
    assert steps == 5, "outside of the block nobody looks"


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


def test_a_pipeline_is_opened_without_scipy_which_is_there_afterwards() -> None:
    pytest.importorskip("scipy")
    code = (
        "import sys\n"
        "from rtgenre import app\n"
        "from rtgenre.config import Settings\n"
        "app.open_pipeline(Settings(), app.load_checkpoint(Settings().model))\n"
        "print('scipy.linalg' in sys.modules)\n"
        "import scipy.linalg\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert shown.stdout.split() == ["False"]
