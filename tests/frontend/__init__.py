"""Tests of the frontend room."""
