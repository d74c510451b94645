// One overlay: reads its address, follows the feed, decides whether there is anything to show.

import { Feed } from "/static/feed.js";
import { read } from "/static/options.js";
import { VIEWS } from "/static/views.js";

const NOTE_MS = 20000;
const LATE_MS = 4000; // a source may come a little after the others
const kind = location.pathname.split("/").pop();
const [options, wrong] = read(location.search);
// Only the start page's previews need it: everybody else saves the request.
const isPreview = new URLSearchParams(location.search).has("preview");
const sample = isPreview ? (await import("/static/sample.js")).sample : null;
const stage = document.getElementById("overlay");
const root = document.documentElement;

root.dataset.theme = options.theme;
root.dataset.align = options.align;
root.dataset.anim = options.anim;
root.dataset.kind = kind;
root.style.setProperty("--rtg-size", `${options.size}px`);
if (options.font) root.style.setProperty("--rtg-font", `"${options.font.replaceAll('"', "")}", var(--rtg-fallback)`);
if (options.accent) {
  root.style.setProperty("--rtg-accent", options.accent);
  root.style.setProperty("--rtg-ink", inkOn(options.accent));
}
const note = document.getElementById("note");
const told = { address: "", source: "" }; // what the note says of each
if (wrong.length) tell("address", wrong.join(" · "));

const view = new VIEWS[kind](stage, options);
let shownAt = -Infinity; // when there was last something to show
let drawn = null;
let missed = { session: null, since: 0, told: false }; // the source asked for: since when it is not there
const feed = new Feed({ onChange: draw });
window.rtgenre = { feed, options }; // for the curious, and for tests

function draw() {
  lookForSource();
  const source = options.source || feed.sources[0];
  const posterior = feed.posteriors.get(source);
  // A row of bars is true in doubt as well; a name is not.
  const states = kind === "bars" ? ["music", "unknown"] : ["music"];
  const now = performance.now();
  const present = feed.fresh && posterior && states.includes(posterior.state);
  if (present) shownAt = now;
  const held = feed.fresh && posterior && now - shownAt <= 1000 * options.hide_after;
  const stays = options.hide_after === Infinity && posterior;
  const visible = Boolean(present || held || stays);
  if (isPreview && !visible) {
    view.draw(sample(feed));
    stage.classList.remove("hidden");
    return;
  }
  if (present && posterior !== drawn) {
    drawn = posterior;
    view.draw({ feed, posterior, title: feed.tracks.get(source)?.title ?? "" });
  }
  stage.classList.toggle("hidden", !visible);
  stage.classList.toggle("idle", visible && !present);
}

/** Black or white, whichever reads better on a colour. */
function inkOn(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000" : "#fff";
}

/** Says, once a run of the daemon, that there is no such source; takes it back when there is. */
function lookForSource() {
  if (!options.source || !feed.fresh) return;
  const known = feed.sources;
  const now = performance.now();
  if (known.includes(options.source) || feed.posteriors.has(options.source)) {
    missed.since = now;
    if (told.source) untell("source", told.source);
  } else if (missed.session !== feed.session) {
    missed = { session: feed.session, since: now, told: false };
  } else if (known.length && !missed.told && now - missed.since > LATE_MS) {
    missed.told = true;
    tell("source", `there is no source “${options.source}”; known: ${known.join(", ")}`);
  }
}

function tell(what, text) {
  told[what] = text;
  console.warn(`rtgenre: ${text}`);
  show();
  setTimeout(() => untell(what, text), NOTE_MS);
}

function untell(what, text) {
  if (told[what] === text) told[what] = ""; // what was said since stays
  show();
}

function show() {
  const text = Object.values(told).filter(Boolean).join(" · ");
  if (text) note.textContent = `rtgenre: ${text}`;
  note.hidden = !text;
}
