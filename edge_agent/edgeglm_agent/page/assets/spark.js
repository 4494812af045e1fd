// The means of the last windows as a line, between the limits that are near.
import { svg } from "./dom.js";
import { number, several } from "./words.js";

const WIDTH = 132;
const HEIGHT = 24;
const EDGE = 3;
const LEAST_SHARE = 0.04; // Of the mean: the noise of a steady sensor is no drama.

// From the nearest limit above to the nearest below, or as far as the means go.
function scaleOf(values, { low, lowLow, high, highHigh }) {
  const known = (limits) => limits.filter((each) => each !== undefined);
  const least = Math.min(...values);
  const most = Math.max(...values);
  let top = Math.max(most, ...known([high, highHigh]).filter((each) => each >= most).slice(0, 1));
  let bottom = Math.min(least, ...known([low, lowLow]).filter((each) => each <= least).slice(0, 1));
  const lacking = Math.max((Math.abs(top + bottom) / 2) * LEAST_SHARE, 1e-9) - (top - bottom);
  if (lacking > 0) {
    top += lacking / 2;
    bottom -= lacking / 2;
  }
  const y = (value) => EDGE + ((top - value) / (top - bottom)) * (HEIGHT - 2 * EDGE);
  return { y, lines: known([low, lowLow, high, highHigh]).filter((each) => each >= bottom && each <= top) };
}

// Broken where nothing was heard.
function path(points) {
  let pen = "M";
  let drawn = "";
  for (const point of points) {
    if (point) drawn += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    pen = point ? "L" : "M";
  }
  return drawn;
}

export function spark(row, ends) {
  const means = row.means ?? [];
  const values = means.filter((mean) => mean !== null);
  const image = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img" });
  if (!values.length) {
    image.setAttribute("aria-label", "no trend is kept");
    return image;
  }
  const { y, lines } = scaleOf(values, row.limits ?? {});
  const first = ends[0];
  const whole = Math.max(ends.at(-1) - first, 1);
  const x = (end) => (ends.length > 1 ? EDGE + ((end - first) / whole) * (WIDTH - 2 * EDGE) : WIDTH - EDGE);
  const points = means.map((mean, at) => (mean === null ? null : [x(ends[at]), y(mean)]));
  image.append(...lines.map((each) => svg("line", { class: "limit", x1: 0, x2: WIDTH, y1: y(each), y2: y(each) })));
  image.append(svg("path", { d: path(points) }));
  const last = points.findLast((point) => point);
  image.append(svg("circle", { cx: last[0], cy: last[1], r: 2.2 }));
  const now = means.at(-1) === null ? "not heard in the last" : `${number(means.at(-1))} in the last`;
  image.setAttribute(
    "aria-label",
    `${several(values.length, "window", "windows")} from ${number(Math.min(...values))} to ${number(Math.max(...values))}, ${now}`,
  );
  return image;
}
