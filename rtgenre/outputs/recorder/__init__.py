"""What was said and heard, kept in a folder: ``lines`` for messages, ``sound`` beside them; ``recorder`` does both."""

from rtgenre.outputs.recorder.lines import KeptLines, Limits, check_folder, open_folder
from rtgenre.outputs.recorder.recorder import Recorder

__all__ = ["KeptLines", "Limits", "Recorder", "check_folder", "open_folder"]
