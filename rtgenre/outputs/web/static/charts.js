// Pictures on a canvas: the posterior as stacked areas with the decisions below, and a line.

const INK = "#97a1b2";
const GRID = "#ffffff12";
const BAND = 20; // pixels of the decisions' band
const FONT = "12px Inter, 'Segoe UI', Roboto, 'DejaVu Sans', system-ui, sans-serif";
const HOLE_MS = 2000; // longer without a point: a hole, not a line

/** A canvas in the pixels of this screen: [context, width, height], in CSS pixels. */
function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  return [context, width, height];
}

/** Runs of rows without a hole between them. */
function runs(rows, time) {
  const found = [];
  rows.forEach((row, k) => {
    if (k === 0 || time(row) - time(rows[k - 1]) > HOLE_MS) found.push([]);
    found.at(-1).push(row);
  });
  return found;
}

/** rows: {t, probs, state, top, track}; probs in the order of labels. */
export function drawPosterior(canvas, rows, { labels, now, span, colour, spoken }) {
  const [context, width, height] = fitted(canvas);
  const tall = height - BAND - 24;
  const x = (t) => width * (1 - (now - t) / span);
  for (const run of runs(rows, (row) => row.t)) {
    drawAreas(context, run, { labels, x, tall, colour });
    drawBand(context, run, { x, top: tall + 6, colour, spoken });
    drawTracks(context, run, { x, tall });
  }
  context.fillStyle = INK;
  for (let s = 0; s <= span / 1000; s += width < 450 ? 60 : 30) {
    const at = x(now - 1000 * s);
    context.fillRect(at, tall + 6 + BAND, 1, 4);
    const text = s === 0 ? "now" : `−${s} s`;
    const wide = context.measureText(text).width;
    context.fillText(text, Math.min(width - wide, Math.max(0, at - wide / 2)), height - 2);
  }
}

function drawAreas(context, run, { labels, x, tall, colour }) {
  const floor = new Array(run.length).fill(0);
  labels.forEach((label, k) => {
    context.beginPath();
    run.forEach((row, i) => context.lineTo(x(row.t), tall * (1 - floor[i])));
    for (let i = run.length - 1; i >= 0; i -= 1) {
      floor[i] += run[i].probs[k] ?? 0;
      context.lineTo(x(run[i].t), tall * (1 - Math.min(1, floor[i])));
    }
    context.closePath();
    context.fillStyle = colour(label);
    context.globalAlpha = 0.9;
    context.fill();
  });
  context.globalAlpha = 1;
  // Where nothing was decided the areas are dimmed: they say what was last believed.
  context.fillStyle = "#0c0e13b8";
  for (let i = 0; i + 1 < run.length; i += 1) {
    if (!run[i].top) context.fillRect(x(run[i].t), 0, x(run[i + 1].t) - x(run[i].t) + 0.5, tall);
  }
}

function drawBand(context, run, { x, top, colour, spoken }) {
  for (let i = 0; i < run.length; ) {
    let end = i;
    while (end + 1 < run.length && run[end + 1].top === run[i].top) end += 1;
    const left = x(run[i].t);
    const wide = x(run[Math.min(end + 1, run.length - 1)].t) - left;
    const { top: genre } = run[i];
    context.fillStyle = genre ? colour(genre) : "#2a303c";
    context.fillRect(left, top, wide, BAND - 4);
    if (genre && wide > context.measureText(spoken(genre)).width + 12) {
      context.fillStyle = "#000000c0";
      context.fillText(spoken(genre), left + 6, top + 12);
    }
    i = end + 1;
  }
}

function drawTracks(context, run, { x, tall }) {
  context.fillStyle = "#ffffffd0";
  for (let i = 1; i < run.length; i += 1) {
    if (run[i].track !== run[i - 1].track) context.fillRect(x(run[i].t), 0, 1.5, tall);
  }
}

/** points: [t, value]; lines of the grid every `step`. */
export function drawLine(canvas, points, { now, span, low, high, step, unit, colour }) {
  const [context, width, height] = fitted(canvas);
  const x = (t) => width * (1 - (now - t) / span);
  const y = (value) => height * (1 - (Math.min(high, Math.max(low, value)) - low) / (high - low));
  for (let value = low; value <= high; value += step) {
    context.fillStyle = GRID;
    context.fillRect(0, y(value), width, 1);
    context.fillStyle = INK;
    if (value > low && y(value) > 14) context.fillText(`${value} ${unit}`, 2, y(value) - 3);
  }
  for (const run of runs(points, (point) => point[0])) {
    context.beginPath();
    for (const [t, value] of run) context.lineTo(x(t), y(value));
    context.strokeStyle = colour;
    context.lineWidth = 1.6;
    context.stroke();
    context.lineTo(x(run.at(-1)[0]), height);
    context.lineTo(x(run[0][0]), height);
    context.closePath();
    context.fillStyle = `${colour}26`;
    context.fill();
  }
}
