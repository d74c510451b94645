"""Settings of all tests."""

import signal

from hypothesis import settings

# A shell starts what it puts in the background with SIGINT ignored, and every child inherits that. Tests interrupt
# children, so here it counts again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test asserts what is computed, never how fast: machines that run tests are busy.
settings.register_profile("rtgenre", deadline=None)
settings.load_profile("rtgenre")
