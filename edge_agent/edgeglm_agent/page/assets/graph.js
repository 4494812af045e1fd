// The graph: entities are buttons where the agent has placed them, relations are lines below them.
import { byId, el, keep, name, plain, svg } from "./dom.js";
import { CONDITIONS, number } from "./words.js";

const NODE = { width: 158, height: 40 };
const PITCH = { least: 208, most: 300, row: 52 };
const MARGIN = 14;

let shown = null;

function figureOf(view, node) {
  const state = view.states.find((row) => row.node === node.id);
  const rows = view.measured.filter((row) => row.node === node.id);
  const row = rows.find((each) => each.condition === node.condition) ?? rows[0];
  if (state && (!row || state.condition === node.condition)) return state.word;
  return row ? `${number(row.mean)} ${row.unit}` : "";
}

function aloud(view, node) {
  const said = view.evidence.filter((each) => each.node === node.id).map((each) => each.statement);
  return plain([`${node.id}, ${node.type}`, CONDITIONS[node.condition][0], ...said].join("; "));
}

function placed(view) {
  const room = byId("drawing").clientWidth - 2 * MARGIN - NODE.width;
  const pitch = view.columns > 1 ? Math.min(Math.max(room / (view.columns - 1), PITCH.least), PITCH.most) : 0;
  return {
    width: 2 * MARGIN + NODE.width + pitch * (view.columns - 1),
    height: 2 * MARGIN + NODE.height + PITCH.row * (view.rows - 1),
    x: (column) => MARGIN + column * pitch,
    y: (row) => MARGIN + row * PITCH.row,
  };
}

// From card to card; in the columns between, past the cards.
function way(edge, at) {
  const right = edge.route[0][0] < edge.route.at(-1)[0];
  const near = right ? NODE.width : 0;
  const far = right ? 0 : NODE.width;
  let drawn = "";
  edge.route.slice(1).forEach(([column, row], index) => {
    const [beforeColumn, beforeRow] = edge.route[index];
    const from = [at.x(beforeColumn) + near, at.y(beforeRow) + NODE.height / 2];
    const to = [at.x(column) + far, at.y(row) + NODE.height / 2];
    const bend = (to[0] - from[0]) / 2;
    drawn += index ? `L${from}` : `M${from}`;
    drawn += `C${from[0] + bend} ${from[1]} ${to[0] - bend} ${to[1]} ${to}`;
  });
  return drawn;
}

const passing = (edge) => (edge.began ? "began" : edge.ended ? "ended" : "");

function drawEdges(sheet, view, at) {
  sheet.setAttribute("viewBox", `0 0 ${at.width} ${at.height}`);
  sheet.setAttribute("width", at.width);
  sheet.setAttribute("height", at.height);
  const edges = view.edges.filter((edge) => edge.route.length > 1);
  sheet.querySelector("g").replaceChildren(
    ...edges.flatMap((edge) => {
      const line = svg("path", { d: way(edge, at), class: `edge ${passing(edge)}`, "marker-end": "url(#tip)" });
      const { x, y } = line.getPointAtLength(line.getTotalLength() / 2);
      const label = svg("text", { x, y: y - 4, class: "edge-name" }, plain(edge.type) + (passing(edge) ? `, ${passing(edge)}` : ""));
      line.ends = label.ends = [edge.source, edge.target];
      return [line, label];
    }),
  );
}

function makeNode() {
  return el("button", { type: "button", class: "node" }, el("span", { class: "who" }), el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "kind" }), el("span", { class: "figure" }));
}

function fillNode(button, view, node, at) {
  const [who, mark, kind, figure] = button.children;
  button.node = node.id;
  button.className = `node ${node.condition}`;
  button.setAttribute("aria-label", aloud(view, node));
  button.style.left = `${at.x(node.column)}px`;
  button.style.top = `${at.y(node.row)}px`;
  who.replaceChildren(name(node.id));
  mark.textContent = CONDITIONS[node.condition][1];
  kind.replaceChildren(name(node.label || node.type));
  figure.replaceChildren(name(figureOf(view, node)));
}

function sheetOf(drawing) {
  const known = drawing.querySelector("svg");
  if (known) return known;
  const tip = svg("marker", { id: "tip", viewBox: "0 0 6 6", refX: 6, refY: 3, markerWidth: 6, markerHeight: 6, orient: "auto" }, svg("path", { d: "M0 .5 6 3 0 5.5" }));
  const sheet = svg("svg", { "aria-hidden": "true" }, svg("defs", {}, tip), svg("g"));
  drawing.append(el("div", { class: "nodes" }, sheet));
  return sheet;
}

export function drawGraph(view) {
  const drawing = byId("drawing");
  const at = placed(view);
  drawEdges(sheetOf(drawing), view, at);
  const nodes = drawing.querySelector(".nodes");
  nodes.style.width = `${at.width}px`;
  nodes.style.height = `${at.height}px`;
  // In the order of reading, which is also the order of the tab key.
  const inOrder = [...view.nodes].sort((one, other) => one.column - other.column || one.row - other.row);
  keep(nodes, inOrder, (node) => node.id, makeNode, (button, node) => fillNode(button, view, node, at));
  const used = new Set(view.nodes.map((node) => node.condition));
  byId("key").replaceChildren(
    ...Object.entries(CONDITIONS).filter(([condition]) => used.has(condition)).map(([condition, [word, mark]]) => el("li", { class: condition }, el("i", {}, mark), word)),
  );
  shown = view;
}

let room = 0;

export function redraw() {
  const wide = byId("drawing").clientWidth;
  if (shown && wide !== room) drawGraph(shown);
  room = wide;
}

export function clearGraph() {
  shown = null;
  byId("drawing").replaceChildren();
  byId("key").replaceChildren();
}

export function neighbourhood(node) {
  const near = shown.edges.filter((edge) => edge.source === node || edge.target === node);
  return new Set([node, ...near.flatMap((edge) => [edge.source, edge.target])]);
}

// Light these and the relations among them; with `centre` only its own relations.
export function lightGraph(nodes, centre = null) {
  const drawing = byId("drawing");
  drawing.classList.toggle("lighting", nodes.size > 0);
  for (const button of drawing.querySelectorAll(".node")) button.classList.toggle("lit", nodes.has(button.node));
  for (const line of drawing.querySelectorAll("svg g > *")) {
    const among = line.ends.every((end) => nodes.has(end));
    const lit = among && (centre === null || line.ends.includes(centre));
    if (lit && !line.classList.contains("lit")) line.parentNode.append(line); // Above the others.
    line.classList.toggle("lit", lit);
  }
}
