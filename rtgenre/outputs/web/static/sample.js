// Something to look at on the start page while no music plays; never shown by an overlay's own address.

const STORY = [
  { jazz: 0.62, blues: 0.17, disco: 0.08, pop: 0.05, rock: 0.03 },
  { disco: 0.55, pop: 0.21, hiphop: 0.1, reggae: 0.06, jazz: 0.03 },
  { reggae: 0.71, hiphop: 0.12, disco: 0.07, pop: 0.04, rock: 0.02 },
  { rock: 0.48, metal: 0.3, blues: 0.09, country: 0.05, pop: 0.03 },
];
const COLOURS = { jazz: "#eaee30", blues: "#0d79ff", disco: "#ed9cef", pop: "#14ffff", rock: "#fa3a13" };
Object.assign(COLOURS, { hiphop: "#ff9412", reggae: "#16c189", metal: "#b5202c", country: "#a8746e" });
const STEP_MS = 6000;

/** What a view draws, changing every six seconds. */
export function sample(feed) {
  const probs = STORY[Math.floor(Date.now() / STEP_MS) % STORY.length];
  const [top, confidence] = Object.entries(probs)[0];
  const colour = (label) => (feed.labels[label] ? feed.colour(label) : COLOURS[label]);
  const ink = (label) => (["blues", "metal"].includes(label) ? "#ffffff" : "#000000");
  return { feed: { colour, ink }, posterior: { state: "music", top, confidence, probs }, title: "" };
}
