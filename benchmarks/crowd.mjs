// The Node member of the crowd (see crowd.py): node crowd.mjs TOPIC LAST PUBLISH
import { createRequire } from "node:module";

const { Subscriber } = createRequire(new URL("../examples/", import.meta.url))("zeromq");
const [topic, last, publish] = process.argv.slice(2);
const feed = new Subscriber({ linger: 0, receiveHighWaterMark: 10000 });
feed.connect(publish);
feed.subscribe(topic);
const numbers = [];
let missed = 0;
for await (const frames of feed) {
  const number = Number(frames[2].readBigUInt64LE());
  const before = numbers.at(-1) ?? number - 1;
  if (number <= before) continue; // sent again for somebody who has just come
  if (!numbers.length) console.log("joined");
  missed += number - before - 1;
  numbers.push(number);
  if (number >= Number(last)) break;
}
console.log(JSON.stringify({ numbers, missed }));
process.exit(0);
