// Print each change of genre, and what was lost:
//   npm install --prefix examples && node examples/subscriber.mjs [ADDRESS [SERVER_KEY KEY_FILE]]
import { readFileSync } from "node:fs";
import { Subscriber } from "zeromq";

const [address = "tcp://127.0.0.1:5560", serverKey, keyFile] = process.argv.slice(2);
const feed = new Subscriber();
if (serverKey) { // a feed with keys: its public key, and the file that `rtgenre keys make client` wrote
  const file = readFileSync(keyFile, "utf8");
  feed.curveServerKey = serverKey;
  feed.curvePublicKey = file.match(/public-key = "(.*)"/)[1];
  feed.curveSecretKey = file.match(/secret-key = "(.*)"/)[1];
}
feed.connect(address);
feed.subscribe("rtgenre.v1.");

let session;
const next = new Map(); // topic → number that its next message should have
for await (const [topic, body, sequence] of feed) {
  const name = topic.toString(), message = JSON.parse(body), seq = Number(sequence.readBigUInt64LE());
  if (message.session !== session) { // the daemon was started anew, and counts from 0
    session = message.session;
    next.clear();
  }
  const expected = next.get(name) ?? seq;
  if (seq < expected) continue; // sent again for somebody who has just come
  if (seq > expected) console.error(`lost ${seq - expected} of ${name}`);
  next.set(name, seq + 1);
  if (message.kind === "decision") console.log(message.source, message.state, message.top, message.confidence);
}
