"""A small client of the feed, for programs and for the terminal: joins without loss and sees what it missed.

from rtgenre.client import Subscriber

with Subscriber() as feed:
    for received in feed:
        print(received.message.source, received.message.top)

With asyncio: ``async with AsyncSubscriber() as feed: async for received in feed: …``.
"""

from rtgenre.client.asynchronous import AsyncSubscriber
from rtgenre.client.connection import DEFAULT_CONTROL, DEFAULT_PUBLISH, control_address
from rtgenre.client.subscriber import Subscriber
from rtgenre.client.tally import Received

__all__ = ["DEFAULT_CONTROL", "DEFAULT_PUBLISH", "AsyncSubscriber", "Received", "Subscriber", "control_address"]
