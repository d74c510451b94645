// The connection to rtgenre: the full state on connect, every message after it, and back again when it breaks.

const STALE_AFTER_MS = 5000; // without a heartbeat what is known is not the present
const DEAD_AFTER_MS = 10000; // an open socket that says nothing for so long is none
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;

export const NAMES = { hiphop: "Hip-Hop", rnb: "R&B", edm: "EDM", dnb: "Drum & Bass", not_music: "Not music" };

/** A label as people write it. */
export function spoken(label) {
  if (NAMES[label]) return NAMES[label];
  return label.replaceAll("_", " ").replace(/(^|\s)\S/g, (letter) => letter.toUpperCase());
}

/** Text for a fetch or a socket of this server: the page's own token goes along. */
export function withToken(path, more = {}) {
  const token = new URLSearchParams(location.search).get("token");
  const query = new URLSearchParams({ ...more, ...(token ? { token } : {}) }).toString();
  return query ? `${path}?${query}` : path;
}

/**
 * What the daemon says.
 *
 * posteriors, tracks: source → last message; heartbeat: the last one; labels: label → {colour, ink}.
 * onMessage(message) is called for each message, onChange() after it and whenever the connection changes.
 */
export class Feed {
  constructor({ onMessage = () => {}, onChange = () => {} } = {}) {
    this.onMessage = onMessage;
    this.onChange = onChange;
    this.labels = {};
    this.connections = 0;
    this.forget();
    this.failures = 0;
    this.open();
    setInterval(() => this.tick(), 250);
  }

  forget() {
    this.session = "";
    this.posteriors = new Map();
    this.tracks = new Map();
    this.heartbeat = null;
    this.heartbeatAt = -Infinity;
  }

  /** True while the daemon's heartbeat comes. */
  get fresh() {
    return performance.now() - this.heartbeatAt < STALE_AFTER_MS;
  }

  /** Names of the sources, in the daemon's order. */
  get sources() {
    return Object.keys(this.heartbeat?.sources ?? Object.fromEntries(this.posteriors));
  }

  colour(label) {
    return this.labels[label]?.colour ?? "#8a929c";
  }

  ink(label) {
    return this.labels[label]?.ink ?? "#000000";
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${withToken("/ws")}`);
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onmessage = (event) => {
      this.failures = 0;
      this.heardAt = performance.now();
      this.take(JSON.parse(event.data));
      this.onChange();
    };
    socket.onclose = () => this.closed(socket);
  }

  closed(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    // Jitter: ten overlays that lost one daemon need not come back in one instant.
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures) * (0.5 + Math.random());
    this.failures += 1;
    setTimeout(() => this.open(), wait);
    this.onChange();
  }

  take(message) {
    if (message.kind === "welcome") {
      this.connections += 1;
      this.labels = message.labels;
      this.forget();
      for (const one of message.messages) this.take(one);
      if (message.heartbeat_age_s !== null) this.heartbeatAt = performance.now() - 1000 * message.heartbeat_age_s;
      return;
    }
    if (message.kind === "labels") {
      this.labels = message.labels;
      return;
    }
    if (message.session !== this.session) {
      this.forget();
      this.session = message.session;
    }
    if (message.kind === "heartbeat") {
      this.heartbeat = message;
      this.heartbeatAt = performance.now();
    } else if (message.kind === "posterior") {
      this.posteriors.set(message.source, message);
    } else if (message.kind === "track") {
      this.tracks.set(message.source, message);
    }
    this.onMessage(message);
  }

  tick() {
    if (this.socket && performance.now() - this.heardAt > DEAD_AFTER_MS) {
      const socket = this.socket;
      socket.close();
      this.closed(socket); // a dead network never says that it closed
    }
    this.onChange();
  }
}
