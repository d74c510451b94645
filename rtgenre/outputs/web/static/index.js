// The start page: one set of controls, each overlay as it looks, and its address to copy.

import { Feed, withToken } from "/static/feed.js";
import { OPTIONS, read } from "/static/options.js";

const OVERLAYS = [
  { kind: "bars", title: "Bars", about: "the most probable genres", height: 360, obs: "560 × 360", only: ["n", "min"] },
  { kind: "lowerthird", title: "Lower third", about: "the genre, and the title or what else it might be", height: 190, obs: "900 × 190", only: [] },
  { kind: "compact", title: "Compact", about: "a pill for a corner", height: 140, obs: "420 × 140", only: [] },
];
const controls = document.getElementById("controls");
const cards = new Map();
let source = null;

function make(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

for (const [name, option] of Object.entries(OPTIONS)) {
  const field = option.choices || name === "source" ? make("select", { name }) : make("input", { name, placeholder: String(option.value) });
  for (const choice of option.choices ?? []) field.append(make("option", { value: choice, textContent: choice }));
  if (name === "source") {
    source = field;
    field.append(make("option", { value: "", textContent: "the first" }));
  }
  controls.append(make("label", { title: option.what }, name, field));
}
controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("input", show);

for (const overlay of OVERLAYS) {
  const frame = make("iframe", { title: overlay.title, height: overlay.height });
  const stage = make("div", { className: "stage" }, frame);
  const url = make("span", { className: "url" });
  const copy = make("button", { className: "main", type: "button", textContent: "Copy address" });
  const background = make("button", { type: "button", textContent: "Background", title: "another background" });
  background.onclick = () => stage.classList.toggle("plain");
  copy.onclick = async () => {
    copy.textContent = (await copied(url)) ? "Copied" : "Press Ctrl-C";
    setTimeout(() => (copy.textContent = "Copy address"), 1500);
  };
  const words = make("div", {}, make("h2", { textContent: overlay.title }), make("span", { className: "dim", textContent: `${overlay.about} · in OBS ${overlay.obs}` }));
  document.getElementById("cards").append(make("article", { className: "card" }, stage, make("div", { className: "about" }, words, url, background, copy)));
  cards.set(overlay, { frame, url });
}

async function copied(url) {
  try {
    await navigator.clipboard.writeText(url.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(url); // no access to the clipboard, as on a page from another machine
    return false;
  }
}

/** What was chosen and differs from what an overlay does anyway. */
function chosen(overlay) {
  const own = new Set(["n", "min"].filter((name) => !overlay.only.includes(name)));
  const given = [...new FormData(controls)].filter(([name, value]) => value !== "" && value !== String(OPTIONS[name].value) && !own.has(name));
  return Object.fromEntries(given);
}

function show() {
  for (const [overlay, { frame, url }] of cards) {
    const more = chosen(overlay);
    url.textContent = new URL(withToken(`/overlay/${overlay.kind}`, more), location.href).href;
    const preview = withToken(`/overlay/${overlay.kind}`, { ...more, preview: 1 });
    if (frame.getAttribute("src") !== preview) frame.src = preview;
  }
  const [, wrong] = read(`?${new URLSearchParams(new FormData(controls).entries())}`);
  controls.title = wrong.join("\n");
}

const feed = new Feed({ onChange: tell });

function tell() {
  const state = document.getElementById("state");
  state.classList.toggle("good", feed.fresh);
  state.textContent = !feed.socket ? "no connection; trying again" : !feed.fresh ? "nothing comes from the daemon" : feed.sources.join(", ");
  const known = [...source.options].map((option) => option.value);
  for (const name of feed.sources) if (!known.includes(name)) source.append(make("option", { value: name, textContent: name }));
}

for (const name of ["dashboard", "metrics", "health"]) {
  const link = document.getElementById(name);
  link.href = withToken(link.getAttribute("href"));
}
show();
