"""Print each change of genre: python examples/subscriber.py [ADDRESS [SERVER_KEY KEY_FILE]], with nothing but pyzmq."""

import json
import sys

import zmq
import zmq.auth

feed = zmq.Context().socket(zmq.SUB)
if len(sys.argv) > 3:  # a feed with keys: its public key, and the file that `rtgenre keys make client` wrote
    feed.curve_serverkey = sys.argv[2].encode()
    feed.curve_publickey, feed.curve_secretkey = zmq.auth.load_certificate(sys.argv[3])
feed.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5560")
feed.subscribe("rtgenre.v1.")
while True:
    topic, body, sequence = feed.recv_multipart()
    message = json.loads(body)
    if message["kind"] == "decision":
        print(message["source"], message["state"], message["top"], message["confidence"], flush=True)
