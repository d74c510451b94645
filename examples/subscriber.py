"""Ten lines that print each change of genre: python examples/subscriber.py [ADDRESS]."""

import json
import sys

import zmq

feed = zmq.Context().socket(zmq.SUB)
feed.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5560")
feed.subscribe("rtgenre.v1.")
while True:
    topic, body, sequence = feed.recv_multipart()
    message = json.loads(body)
    if message["kind"] == "decision":
        print(message["source"], message["state"], message["top"], message["confidence"], flush=True)
