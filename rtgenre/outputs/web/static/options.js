// What an overlay's address may say. One table: the overlays read it, the start page draws its controls from it.

export const OPTIONS = {
  source: { value: "", what: "name of the source; empty: the first" },
  theme: { value: "glass", choices: ["glass", "dark", "light", "clean", "neon"], what: "look" },
  accent: { value: "", colour: true, what: "one colour instead of the genres' own: ff3366, or a CSS name" },
  font: { value: "", what: "font installed on the machine that shows the overlay" },
  size: { value: 28, least: 8, most: 200, what: "pixels; everything follows" },
  n: { value: 5, least: 1, most: 20, whole: true, what: "rows of bars" },
  min: { value: 0.02, least: 0, most: 1, what: "probability below which no row is shown" },
  hide_after: { value: 3, least: 0, most: 3600, never: true, what: "seconds without music; never: it stays" },
  align: { value: "left", choices: ["left", "center", "right"], what: "where it stands" },
  anim: { value: "slide", choices: ["slide", "fade", "none"], what: "how it comes and goes" },
};
const OTHERS = ["token", "preview"];

/** Read an address: [values, what is wrong with it, in words]. What is wrong keeps its default. */
export function read(search) {
  const given = new URLSearchParams(search);
  const values = Object.fromEntries(Object.entries(OPTIONS).map(([name, option]) => [name, option.value]));
  const wrong = [];
  for (const [name, text] of given) {
    if (OTHERS.includes(name)) continue;
    const option = OPTIONS[name];
    if (!option) {
      wrong.push(`there is no “${name}”; known: ${Object.keys(OPTIONS).join(", ")}`);
      continue;
    }
    const value = parsed(option, text.trim());
    if (value === undefined) wrong.push(`${name}=${text} is not allowed: ${allowed(option)}`);
    else values[name] = value;
  }
  return [values, wrong];
}

function parsed(option, text) {
  if (option.choices) return option.choices.includes(text) ? text : undefined;
  if (option.colour) return text === "" ? "" : [text, `#${text}`].find((one) => CSS.supports("color", one));
  if (typeof option.value !== "number") return text;
  if (option.never && text === "never") return Infinity;
  const number = text === "" ? NaN : Number(text);
  const fits = number >= option.least && number <= option.most && (!option.whole || Number.isInteger(number));
  return fits ? number : undefined;
}

function allowed(option) {
  if (option.choices) return option.choices.join(", ");
  if (option.colour) return "a colour such as ff3366";
  return `${option.whole ? "whole " : ""}numbers from ${option.least} to ${option.most}${option.never ? ", or never" : ""}`;
}
