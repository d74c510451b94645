"""Print each change of genre or state: python examples/subscriber.py [ADDRESS [SERVER_KEY KEY_FILE]]; needs pyzmq."""

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
newest = {}  # of each source: a last message is sent again whenever somebody comes, and may be older than another's
while True:
    topic, body, sequence = feed.recv_multipart()
    message = json.loads(body)
    if message["kind"] in ("decision", "state"):
        last = max(message, newest.get(message["source"], message), key=lambda one: one["t_wall"])
        newest[message["source"]] = last
        print(last["source"], last["state"], last["top"], last["confidence"], flush=True)
