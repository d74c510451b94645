"""Tests of ``rtgenre.audio``."""
