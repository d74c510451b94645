"""Settings of all tests."""

from hypothesis import settings

# A test asserts what is computed, never how fast: machines that run tests are busy.
settings.register_profile("rtgenre", deadline=None)
settings.load_profile("rtgenre")
