// Below the graph: what code found in the last window, and what each entity measured, is and did.
import { byId, el, keep, name, say } from "./dom.js";
import { spark } from "./spark.js";
import { CONDITIONS, clock, exact, number, sentence, several, span, tenths, time } from "./words.js";

const marked = (condition) => {
  const [word, mark] = CONDITIONS[condition];
  return el("span", { class: "mark", title: word, "aria-label": word, role: "img" }, mark);
};

export function drawEvidence(view) {
  byId("why").hidden = !view.evidence.length;
  byId("evidence").replaceChildren(
    ...view.evidence.map((each) => {
      const item = el("li", { class: each.condition }, marked(each.condition), el("span", {}, ...sentence(each.statement)));
      item.node = each.node;
      return item;
    }),
  );
}

const cell = (content, kind = "") => el("td", kind ? { class: kind } : {}, ...[content].flat());

// Over the hour before.
function going({ trend, unit }) {
  return trend ? el("span", { title: `${number(trend)} ${unit} an hour`, role: "img" }, trend > 0 ? "↗" : "↘") : "";
}

function measured(row, ends) {
  return [
    cell(name(row.property)),
    cell(spark(row, ends), "trend"),
    cell(exact(row.mean), "number mean"),
    cell([name(row.unit), " ", going(row)], "unit"),
    cell([exact(row.min), el("span", { class: "to" }, "…"), exact(row.max)], "number wide"),
    cell(row.z === undefined ? "–" : tenths(row.z), "number wide"),
  ];
}

const quiet = (...said) => el("span", { class: "quiet" }, ...said);

const said = (row, when, ...more) => [
  cell(name(row.property)),
  cell(quiet(...when), "trend"),
  el("td", { colspan: 4, class: "word" }, name(row.word), ...more),
];

const state = (row) => said(row, ["since ", time(row.since)], row.before ? quiet(" was ", name(row.before)) : "");

const event = (row) => said(row, ["at ", time(row.at)], quiet(` ${several(row.n, "time", "times")}`));

// Entity to its rows, each with the way to draw it.
function rowsOf(view) {
  const rows = new Map(view.nodes.map((node) => [node.id, []]));
  for (const row of view.measured) rows.get(row.node).push([row, () => measured(row, view.ends)]);
  for (const row of view.states) rows.get(row.node).push([row, () => state(row)]);
  for (const row of view.events) rows.get(row.node).push([row, () => event(row)]);
  return [...rows].filter(([, mine]) => mine.length);
}

function fill(body, [entity, rows]) {
  body.entity = entity;
  body.replaceChildren(
    ...rows.map(([row, cells], at) => {
      const condition = row.condition ?? "Well";
      const tr = el("tr", { class: condition }, ...cells());
      if (CONDITIONS[condition][1]) tr.firstElementChild.append(" ", marked(condition));
      if (at === 0) tr.prepend(el("th", { scope: "rowgroup", rowspan: rows.length }, name(entity)));
      tr.series = `${row.node}\u001f${row.property}`;
      return tr;
    }),
  );
}

export function drawSeries(view) {
  const table = byId("series");
  const rows = rowsOf(view);
  table.hidden = !rows.length;
  byId("more").hidden = !view.rowsLeftOut;
  say(byId("more"), `and ${several(view.rowsLeftOut, "row", "rows")} more`);
  const first = view.ends[0];
  const last = view.ends.at(-1);
  byId("trend").replaceChildren("Trend ", quiet(last > first ? span((last - first) / 1000) : clock(last)));
  keep(table, rows, ([entity]) => entity, () => el("tbody"), fill);
}

export function lightSeries(nodes, series) {
  for (const body of byId("series").tBodies) {
    for (const row of body.rows) row.classList.toggle("lit", series.has(row.series) || (!series.size && nodes.has(body.entity)));
  }
}
