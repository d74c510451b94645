"""Settings of all tests."""

import signal

from hypothesis import settings

# A shell starts what it puts in the background with some signals ignored, nohup another, and every child inherits
# that. Tests send them to children, so here they count again.
for _one, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_one) is signal.SIG_IGN:
        signal.signal(_one, _handler)

# A test asserts what is computed, never how fast: machines that run tests are busy.
settings.register_profile("rtgenre", deadline=None)
settings.load_profile("rtgenre")
