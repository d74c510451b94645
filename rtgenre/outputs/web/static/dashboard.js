// The dashboard: follows one source at a time; its past comes from /v1/history, its present from the feed.

import { Feed, spoken, withToken } from "/static/feed.js";
import { drawLine, drawPosterior } from "/static/charts.js";

const SPAN_MS = 180000;
const STEP_MS = 250; // one point of the past, as the server keeps it
const LOG_ROWS = 12;
const STATES = { silence: "Silence", not_music: "Not music", unknown: "Listening …", starting: "Starting …", stale: "No sound arrives", music: "Music" };
const byId = (id) => document.getElementById(id);

let source = null;
let rows = []; // {t, probs, state, top, track, level_dbfs, latency_ms}, t on this page's clock
let connection = 0;
const feed = new Feed({ onMessage, onChange });
window.rtgenre = { feed, rows: () => rows };

function onMessage(message) {
  if (message.kind !== "posterior" || message.source !== source) return;
  const t = performance.now();
  if (rows.length > 1 && t - rows.at(-2).t < STEP_MS) rows.pop(); // the newest point follows every message
  rows.push({ ...message, t, probs: Object.values(message.probs), labels: Object.keys(message.probs), latency_ms: message.latency_ms.total });
  while (rows.length && t - rows[0].t > SPAN_MS) rows.shift();
}

function onChange() {
  const asked = new URLSearchParams(location.search).get("source");
  if (feed.connections !== connection) {
    connection = feed.connections;
    choose(source ?? asked ?? feed.sources[0]);
  } else if (source === null && feed.sources.length) {
    choose(asked ?? feed.sources[0]);
  }
  scheduleDraw();
}

async function choose(name) {
  source = name ?? null;
  rows = [];
  if (source === null) return;
  const answer = await fetch(withToken("/v1/history", { source }));
  if (!answer.ok) return; // not there yet: what comes from now on is enough
  const past = await answer.json();
  if (past.source !== source) return;
  const now = performance.now();
  const first = rows[0]?.t ?? Infinity;
  const before = past.rows.map((row) => ({ ...row, labels: past.labels, t: now - 1000 * row.age_s }));
  rows = [...before.filter((row) => row.t < first), ...rows];
}

let waiting = false;
function scheduleDraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function draw() {
  const posterior = feed.posteriors.get(source);
  const now = performance.now();
  const labels = rows.at(-1)?.labels ?? [];
  drawTabs();
  drawState();
  drawPosterior(byId("posterior"), rows, { labels, now, span: SPAN_MS, colour: (label) => feed.colour(label), spoken });
  const at = { now, span: SPAN_MS };
  drawLine(byId("level"), rows.map((row) => [row.t, row.level_dbfs]), { ...at, low: -80, high: 0, step: 20, unit: "dBFS", colour: "#35d08b" });
  const waits = rows.map((row) => row.latency_ms);
  const top = Math.max(100, ...waits);
  drawLine(byId("latency"), rows.map((row) => [row.t, row.latency_ms]), { ...at, low: 0, high: 1.1 * top, step: top > 400 ? 250 : 50, unit: "ms", colour: "#14d3c5" });
  if (!posterior) return;
  byId("level-now").textContent = `${posterior.level_dbfs.toFixed(1)} dBFS`;
  byId("latency-now").textContent = latencyText(posterior, waits);
  byId("title").textContent = feed.tracks.get(source)?.title ?? "";
  drawNow(posterior);
  drawGenres(posterior);
  drawLog();
  drawHealth(posterior);
}

function latencyText(posterior, waits) {
  const sorted = [...waits].sort((a, b) => a - b);
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]?.toFixed(0);
  return `${posterior.latency_ms.total.toFixed(0)} ms · median ${at(0.5)} · 95 % ${at(0.95)}`;
}

function drawTabs() {
  const names = feed.sources.join();
  const tabs = byId("tabs");
  if (tabs.dataset.names !== names) {
    tabs.dataset.names = names;
    tabs.replaceChildren(
      ...feed.sources.map((name) => {
        const tab = Object.assign(document.createElement("button"), { type: "button", textContent: name });
        tab.onclick = () => choose(name).then(scheduleDraw);
        return tab;
      }),
    );
  }
  for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.textContent === source));
}

function drawState() {
  const state = byId("state");
  state.classList.toggle("good", feed.fresh);
  state.textContent = !feed.socket ? "no connection; trying again" : feed.fresh ? "live" : "nothing comes from the daemon";
}

function drawNow(posterior) {
  const box = byId("now");
  const live = feed.fresh && posterior.top;
  box.style.setProperty("--c", live ? feed.colour(posterior.top) : "#8a929c");
  box.querySelector("strong").textContent = !feed.fresh ? "Stale" : live ? spoken(posterior.top) : STATES[posterior.state];
  const sure = `${Math.round(100 * posterior.confidence)} % · music ${Math.round(100 * posterior.music)} %`;
  box.querySelector("p").textContent = live ? `${sure} · track ${posterior.track}` : "";
}

function drawGenres(posterior) {
  const all = [...Object.entries(posterior.probs), ...Object.entries(posterior.own)];
  const list = byId("genres");
  while (list.children.length > all.length) list.lastChild.remove();
  all.forEach(([label, p], place) => {
    const row = list.children[place] ?? list.appendChild(genreRow());
    row.firstChild.textContent = row.firstChild.title = spoken(label);
    row.style.setProperty("--c", feed.colour(label));
    row.style.setProperty("--p", p);
    row.lastChild.textContent = `${Math.round(100 * p)} %`;
  });
}

function genreRow() {
  const row = document.createElement("li");
  const rail = Object.assign(document.createElement("span"), { className: "rail" });
  rail.append(document.createElement("b"));
  row.append(document.createElement("span"), rail, document.createElement("em"));
  return row;
}

function drawLog() {
  const changes = rows.filter((row, k) => k === 0 || row.top !== rows[k - 1].top || row.state !== rows[k - 1].state);
  byId("log").replaceChildren(
    ...changes.slice(-LOG_ROWS).reverse().map((row) => {
      const item = Object.assign(document.createElement("li"), { textContent: row.top ? spoken(row.top) : STATES[row.state] });
      item.style.setProperty("--c", row.top ? feed.colour(row.top) : "#8a929c");
      const ago = Math.round((performance.now() - row.t) / 1000);
      item.append(Object.assign(document.createElement("time"), { textContent: `${ago} s ago` }));
      return item;
    }),
  );
}

function drawHealth(posterior) {
  const { heartbeat } = feed;
  const report = heartbeat?.sources[source];
  if (!report) return;
  const outputs = Object.values(heartbeat.outputs ?? {}); // an older daemon, through a bridge, has none
  const passed = outputs.reduce((sum, one) => sum + one.dropped + one.unsent, 0);
  const entries = [
    ["heartbeat", `${((performance.now() - feed.heartbeatAt) / 1000).toFixed(0)} s ago`, !feed.fresh],
    ["sound", report.description],
    ["captured", `${report.sample_rate} Hz × ${report.channels}`],
    ["hops", report.hops],
    ["late hops", report.late_hops, report.late_hops > 0],
    ["overflows", report.xruns, report.xruns > 0],
    ["samples lost", report.gap_samples, report.gap_samples > 0],
    ["clipped samples", report.clipped_samples, report.clipped_samples > 0],
    ["capture restarts", report.capture_restarts, report.capture_restarts > 0],
    ["subscribers", heartbeat.subscribers],
    ["outputs lost", passed, passed > 0],
    ["model", posterior.model.id],
    ["computed on", heartbeat.device],
    ["up", `${Math.floor(heartbeat.uptime_s / 60)} min ${Math.floor(heartbeat.uptime_s % 60)} s`],
    ["version", heartbeat.version],
  ];
  byId("health").replaceChildren(
    ...entries.flatMap(([name, value, bad]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value, title: value, className: bad ? "bad" : "" }),
    ]),
  );
}

byId("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
addEventListener("resize", scheduleDraw);
