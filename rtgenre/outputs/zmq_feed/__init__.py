"""The ZeroMQ feed: ``feed`` publishes, ``control`` answers, ``cache`` remembers, ``gate`` lets in, ``addresses``."""

from rtgenre.outputs.zmq_feed.addresses import check_address, check_apart, is_one_place, is_open, seen_from_here, split
from rtgenre.outputs.zmq_feed.control import MAX_REQUEST_BYTES
from rtgenre.outputs.zmq_feed.feed import ZmqFeed
from rtgenre.outputs.zmq_feed.gate import Curve, open_curve

__all__ = [
    "MAX_REQUEST_BYTES",
    "Curve",
    "ZmqFeed",
    "check_address",
    "check_apart",
    "is_one_place",
    "is_open",
    "open_curve",
    "seen_from_here",
    "split",
]
