"""Overlays, dashboard, plain answers and metrics over HTTP: everything that a browser or a monitor reads."""

from rtgenre.outputs.web.server import WebOutput

__all__ = ["WebOutput"]
