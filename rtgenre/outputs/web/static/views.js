// The three overlays. Each is built once and then told what to show; CSS does all movement.

import { spoken } from "/static/feed.js";

const percent = (p) => `${Math.round(100 * p)}\u2009%`;
const ranked = (probs) => Object.entries(probs).sort((a, b) => b[1] - a[1]);

function element(parent, tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  parent.append(made);
  return made;
}

/** Three small bars that dance while music plays. */
function equaliser(parent) {
  const made = element(parent, "span", "equaliser");
  for (let k = 0; k < 4; k += 1) element(made, "i", "");
  return made;
}

/** Colours of a genre for everything inside `node`. */
function paint(node, feed, label) {
  node.style.setProperty("--c", label ? feed.colour(label) : "#8a929c");
  node.style.setProperty("--ink", label ? feed.ink(label) : "#000000");
}

/** Text that slides away upwards when other text comes. */
class Ticker {
  constructor(parent, className) {
    this.box = element(parent, "span", `ticker ${className}`);
    this.text = null;
  }

  show(text) {
    if (text === this.text) return;
    this.text = text;
    for (const old of this.box.querySelectorAll("span:not(.leaving)")) {
      old.classList.add("leaving");
      setTimeout(() => old.remove(), 600);
    }
    element(this.box, "span", "", text);
  }
}

/** The most probable genres, a bar each. */
class Bars {
  constructor(stage, options) {
    this.options = options;
    this.panel = element(stage, "section", "panel bars");
    const head = element(this.panel, "header", "");
    equaliser(head);
    this.name = new Ticker(head, "name");
    this.sure = element(head, "span", "sure");
    this.list = element(this.panel, "ol", "");
    this.list.style.setProperty("--n", options.n);
    this.rows = new Map();
  }

  draw({ feed, posterior }) {
    const order = ranked(posterior.probs);
    const lead = posterior.top ?? "";
    paint(this.panel, feed, lead);
    this.name.show(lead ? spoken(lead) : "…");
    this.sure.textContent = lead ? percent(posterior.probs[lead] ?? posterior.confidence) : "";
    order.forEach(([label, p], place) => {
      const row = this.rows.get(label) ?? this.row(label);
      paint(row.box, feed, label);
      row.box.style.setProperty("--p", p.toFixed(3));
      row.box.style.setProperty("--i", place);
      row.box.classList.toggle("away", place >= this.options.n || p < this.options.min);
      row.box.classList.toggle("lead", label === lead);
      row.number.textContent = percent(p);
    });
    for (const [label, row] of this.rows) if (!(label in posterior.probs)) row.box.classList.add("away");
  }

  row(label) {
    const box = element(this.list, "li", "away");
    element(box, "span", "label", spoken(label));
    element(element(box, "span", "rail"), "b", "");
    const row = { box, number: element(box, "span", "number") };
    this.rows.set(label, row);
    return row;
  }
}

/** A band with the genre, and below it the title or what else it might be. */
class LowerThird {
  constructor(stage) {
    this.panel = element(stage, "section", "panel lowerthird");
    equaliser(element(this.panel, "div", "block"));
    const words = element(this.panel, "div", "words");
    this.name = new Ticker(words, "name");
    this.more = new Ticker(words, "more");
    this.meter = element(element(this.panel, "div", "meter"), "b", "");
  }

  draw({ feed, posterior, title }) {
    const lead = posterior.top;
    paint(this.panel, feed, lead);
    this.name.show(spoken(lead));
    const next = ranked(posterior.probs).find(([label, p]) => label !== lead && p >= 0.1);
    this.more.show(title || (next ? `with a touch of ${spoken(next[0])}` : "genre, as it is heard"));
    this.meter.style.setProperty("--p", posterior.confidence.toFixed(3));
  }
}

/** A pill. */
class Compact {
  constructor(stage) {
    this.panel = element(stage, "section", "panel compact");
    this.ring = element(this.panel, "span", "ring");
    equaliser(this.ring);
    this.name = new Ticker(this.panel, "name");
  }

  draw({ feed, posterior }) {
    paint(this.panel, feed, posterior.top);
    this.panel.style.setProperty("--p", posterior.confidence.toFixed(3));
    this.name.show(spoken(posterior.top));
  }
}

export const VIEWS = { bars: Bars, lowerthird: LowerThird, compact: Compact };
