"""rtgenre: a streaming real-time genre tagger. Start reading at ``pipeline.py``."""

__version__ = "0.1.0"
