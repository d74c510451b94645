import numpy as np
import pytest

from rtgenre.frontend.lookback import Lookback
from rtgenre.frontend.spec import FrontendSpec
from rtgenre.frontend.stream import Frontend
from tests import signals

SPECS = {
    "shipped": FrontendSpec(),
    "with everything that remembers": FrontendSpec(
        features=("mfcc", "contrast", "flux"),
        running_deltas=True,
        correlation_s=(5.0,),
        modulation_s=(5.0,),
        age=True,
        floor_below_db=60.0,
        level_db=-23.0,
    ),
    "with zero crossings and level": FrontendSpec(features=("mfcc", "zcr", "rms", "flux")),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_hops_heard_again_are_those_of_a_stream_that_began_with_them(spec: FrontendSpec) -> None:
    frontend = Frontend(spec)
    x = signals.music(spec.hop * 40, seed=2)
    fresh = frontend.offline(x[20 * spec.hop :])
    state, ring = frontend.init_state(), Lookback.of_size(30, frontend.row_size)
    frame = np.empty(spec.n_features, np.float32)
    frontend.feed(x, state)
    while frontend.next_frame(state, frame):
        ring.keep(frontend.spectrum_row(state))
    clock = (state.hop, state.end_sample, state.position, state.level_power)
    again = []
    state = frontend.forget(state)
    for row in ring.last(len(fresh)):
        frontend.hear_again(row, state, frame)
        again.append(frame.copy())
    np.testing.assert_array_equal(np.stack(again), fresh)
    assert (state.hop, state.end_sample, state.position, state.level_power) == clock
    assert (state.heard, state.follows) == (len(fresh), True)
    # What comes after that is as if nothing else had ever been heard.
    more = signals.noise(spec.hop * 5)
    rest, state = frontend.step(more, state)
    whole = frontend.offline(np.concatenate((x[20 * spec.hop :], more)))
    np.testing.assert_array_equal(rest, whole[len(fresh) :])


def test_the_ring_gives_back_the_last_hops_in_order() -> None:
    ring = Lookback.of_size(4, 2)
    assert list(ring.last(3)) == []
    for k in range(6):
        ring.keep(np.full(2, k, np.float32))
    assert [int(row[0]) for row in ring.last(3)] == [3, 4, 5]
    assert [int(row[0]) for row in ring.last(99)] == [2, 3, 4, 5]
    snapshot = ring.copy()
    ring.clear()
    ring.keep(np.full(2, 7, np.float32))
    assert [int(row[0]) for row in ring.last(4)] == [7]
    assert [int(row[0]) for row in snapshot.last(4)] == [2, 3, 4, 5]
