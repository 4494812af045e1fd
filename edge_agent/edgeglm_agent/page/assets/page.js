// The page: asks the agent every two seconds while somebody looks, and shows what it says, or that it says nothing.
import { byId, el, name, plain, say } from "./dom.js";
import { clearGraph, drawGraph, lightGraph, neighbourhood, redraw } from "./graph.js";
import { drawEvidence, drawSeries, lightSeries } from "./series.js";
import { drawFindings, drawGraphs, drawVitals } from "./site.js";
import { inWords, several, span, time } from "./words.js";

const PAUSE_MS = 2000;
const PATIENCE_MS = 10000;
const GONE_MS = 6000;
const VERDICTS = { ask: "asks the model", tell: "told by code", quiet: "asks nobody" };

let site = null;
let view = null;
let pinned = null; // The id of a finding.
let over = null; // What the pointer or the focus is on: a finding's id or a node's.
let drawn = ""; // The mark of the partition that is drawn.
let heard = { at: 0, agent: 0 };
let unanswered = 0; // Since when.
let asking = null;

async function get(path) {
  const response = await fetch(path, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`${response.status}`);
  heard = { at: Date.now(), agent: Date.parse(response.headers.get("Date")) || Date.now() };
  unanswered = 0;
  return { ...(await response.json()), mark: response.headers.get("ETag") };
}

// The agent's time: that of this machine may be another.
const now = () => heard.agent + (Date.now() - heard.at);

const ageOf = (partition) => (now() - Date.parse(partition.end)) / 1000;
const isStale = (partition) => ageOf(partition) > partition.staleAfterSeconds;
const partitions = () => site.graphs.flatMap((graph) => graph.partitions);
const wanted = () => location.hash.slice(1);
const selected = () => (partitions().find((each) => each.id === wanted()) ?? partitions()[0])?.id ?? null;

async function look() {
  site = await get("/page/v1/site");
  const id = selected();
  view = id ? await get(`/page/v1/partitions/${id}`) : null;
  draw();
}

function draw() {
  const at = site.status;
  byId("site").replaceChildren(...(at ? [el("span", { class: "quiet" }, name(at.namespace), " / "), name(at.site)] : ["edgeglm"]));
  say(byId("version"), at ? `edgeglm ${at.version}` : "");
  document.title = at ? `${plain(at.site)}: ${several(site.findings.length, "finding", "findings")}` : "edgeglm";
  if (pinned && !site.findings.some((finding) => finding.id === pinned)) pinned = null;
  drawVitals(site);
  drawGraphs(site, selected(), isStale);
  drawFindings(site, pinned, selected());
  if (!view) drawNothing();
  else if (view.mark !== drawn) drawPartition();
  drawn = view?.mark ?? "";
  lightUp();
}

function drawPartition() {
  const [title, what] = byId("title").children;
  byId("empty").hidden = true;
  byId("title").hidden = false;
  title.replaceChildren(name(view.graph), el("span", { class: "quiet" }, " / "), view.name === "" ? "whole graph" : name(view.name));
  const size = `${several(view.nodes.length, "entity", "entities")}, ${several(view.edges.length, "relation", "relations")}${view.truncated ? ", more were left out" : ""}`;
  what.replaceChildren(inWords(view.task), " · ", time(view.start), " – ", time(view.end), ` · ${VERDICTS[view.verdict] ?? ""} · ${size}`);
  drawGraph(view);
  drawEvidence(view);
  drawSeries(view);
}

function whyNothing() {
  if (!site.status) return "No bundle is applied yet: the agent does not know what to listen to.";
  if (!site.graphs.length) return "The bundle has no graph for this site.";
  const away = site.status.brokers.some((broker) => !broker.connected);
  const wait = Math.min(...site.graphs.map((graph) => graph.windowSeconds));
  return `No window closed yet. ${away ? "The broker cannot be heard." : `The first closes when readings have come for ${span(wait)} and some more.`}`;
}

function drawNothing() {
  byId("title").hidden = true;
  clearGraph();
  byId("why").hidden = true;
  byId("series").hidden = byId("more").hidden = true;
  byId("empty").hidden = false;
  say(byId("empty"), whyNothing());
}

function lightUp() {
  if (over?.node && view?.nodes.some((node) => node.id === over.node)) {
    lightGraph(neighbourhood(over.node), over.node);
    lightSeries(new Set([over.node]), new Set());
    return;
  }
  const finding = site?.findings.find((each) => each.id === (over?.finding ?? pinned));
  const here = finding && view && finding.partitionId === view.id;
  lightGraph(new Set(here ? [...finding.nodes, ...finding.series.map(([node]) => node)] : []));
  lightSeries(new Set(here ? finding.nodes : []), new Set(here ? finding.series.map((each) => each.join("\u001f")) : []));
}

function pin(finding) {
  pinned = finding;
  if (!site) return;
  drawFindings(site, pinned, selected());
  lightUp();
}

// How old what is shown is, said anew each second; and whether anybody still answers.
function age() {
  const gone = unanswered > 0 && Date.now() - unanswered > GONE_MS;
  document.body.classList.toggle("gone", gone);
  byId("pulse").classList.toggle("live", heard.at > 0 && !gone);
  const pulse = byId("pulse").lastElementChild;
  if (heard.at) pulse.replaceChildren(gone ? "No answer since " : "Live, ", time(new Date(heard.at).toISOString()));
  byId("notice").hidden = !gone;
  say(byId("notice"), gone ? "The agent does not answer. What is shown is what it said last, and may no longer be so." : "");
  if (!view) return;
  const old = span(ageOf(view));
  byId("age").classList.toggle("stale", isStale(view));
  say(byId("age"), isStale(view) ? `Stale: no window has closed for ${old}` : `${old} old`);
}

function ask() {
  unanswered ||= Date.now();
  asking ??= look()
    .catch(() => undefined) // That nobody answers is seen by the time of the last answer.
    .finally(() => {
      asking = null;
      age();
    });
  return asking;
}

function under(event) {
  const at = event.target instanceof Element ? event.target.closest("#findings > li, #evidence > li, .node") : null;
  if (!at) return null;
  return at.finding ? { finding: at.finding.id } : { node: at.node };
}

function listen() {
  for (const kind of ["mouseover", "focusin"]) {
    addEventListener(kind, (event) => {
      over = under(event);
      lightUp();
    });
  }
  for (const kind of ["mouseout", "focusout"]) {
    addEventListener(kind, () => {
      over = null;
      lightUp();
    });
  }
  byId("findings").addEventListener("click", (event) => {
    const finding = site.findings.find((each) => each.id === under(event)?.finding);
    if (!finding) return;
    if (finding.partitionId !== selected()) location.hash = finding.partitionId;
    pin(pinned === finding.id ? null : finding.id);
  });
  addEventListener("keydown", (event) => event.key === "Escape" && pin(null));
  addEventListener("hashchange", () => ask().then(ask));
  addEventListener("visibilitychange", () => document.hidden || ask());
  new ResizeObserver(redraw).observe(byId("graph"));
}

listen();
ask();
setInterval(() => document.hidden || ask(), PAUSE_MS);
setInterval(age, 1000);
