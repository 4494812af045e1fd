// What stands around the graph: connectivity, spool and bundle, the list of graphs, and what is found.
import { byId, el, keep, name, plain, say } from "./dom.js";
import { CONDITIONS, bytes, inWords, sentence, several, span, time } from "./words.js";

// [title, value, note, is it well?, how full]
function brokers(all) {
  if (!all.length) return ["Broker", "None", "no graph names one", false];
  const away = all.filter((each) => !each.connected);
  if (away.length) return ["Broker", "Not connected", `${away[0].url}: ${away[0].failure || away[0].reason}`, false];
  const [first] = all;
  return ["Broker", "Connected", all.length > 1 ? several(all.length, "broker", "brokers") : `${first.url}, MQTT ${first.protocol}`, true];
}

function engines(all) {
  const ill = all.filter((each) => each.state !== "Closed");
  const flying = all.reduce((sum, each) => sum + each.load.inFlight, 0);
  if (!all.length) return ["Engine", "None", "the bundle names none", false];
  if (ill.length) return ["Engine", ill.length < all.length ? `${ill.length} of ${all.length} ill` : "Does not answer", `${ill[0].name}: ${ill[0].lastError || "not tried again yet"}`, false];
  return ["Engine", "Ready", `${all.map((each) => each.name).join(", ")}; ${flying} in flight`, true];
}

function questions(spool) {
  const note = `${several(spool.undelivered, "answer", "answers")} to deliver`;
  return ["Questions", spool.waiting ? `${spool.waiting} waiting` : "None waiting", note, true];
}

function store(spool) {
  const used = spool.rawBytes + spool.ledgerBytes;
  if (spool.blocked) return ["Spool", "Blocked", spool.blocked, false];
  return ["Spool", bytes(used), `of ${bytes(spool.capBytes)}; ${several(spool.backlog, "message", "messages")} to fold`, used < spool.capBytes, used / spool.capBytes];
}

function bundle({ bundle: applied, source, refusedGraphs: [refused] }) {
  if (applied.verdict === "Rejected") return ["Bundle", `Generation ${applied.generation}`, `a newer one was refused: ${applied.message}`, false];
  if (refused) return ["Bundle", `Generation ${applied.generation}`, `${refused.graph} does not run here: ${refused.message}`, false];
  const note = source.state === "Fresh" ? "as it is at its source" : `not confirmed for ${span(source.staleSeconds)}: ${source.failure || "another lies there"}`;
  return ["Bundle", applied.generation ? `Generation ${applied.generation}` : "None", applied.generation ? note : applied.message || source.failure || "none has come yet", Boolean(applied.generation) && source.state === "Fresh"];
}

function reports({ delivered, failure, lastDeliveredAt }) {
  if (failure) return ["Reports", "Not taken", failure, false];
  return ["Reports", lastDeliveredAt ? "Taken" : "None yet", `${delivered} to the cloud since the start`, true];
}

function books(status) {
  const dead = status.spool.deadLetters.kept;
  const note = dead ? `${several(dead, "dead letter", "dead letters")} kept` : "no dead letters";
  if (status.books.lost || !status.books.balanced) return ["Books", `${status.books.lost} lost`, note, false];
  return ["Books", "Balanced", note, true];
}

export function drawVitals({ config, status }) {
  const vitals = status
    ? [brokers(status.brokers), engines(status.endpoints), questions(status.spool), store(status.spool), bundle(config), books(status)]
    : [bundle(config)];
  if (config.reports) vitals.push(reports(config.reports));
  keep(byId("vitals"), vitals, ([title]) => title, () => el("div", {}, el("dt"), el("dd"), el("dd", { class: "quiet" })), (cell, [title, value, note, well, share]) => {
    const [term, figure, rest] = cell.children;
    cell.className = well ? "" : "ill";
    say(term, title);
    say(figure, plain(value));
    say(rest, plain(note));
    rest.title = plain(note);
    if (share === undefined) return;
    if (!cell.querySelector("meter")) cell.append(el("dd", {}, el("meter", { max: 1, high: 0.8, "aria-label": "Spool used" })));
    cell.querySelector("meter").value = share < 0.01 ? 0 : share;
  });
}

const called = (partition) => (partition === "" ? ["whole graph"] : [name(partition)]);

function entry(link, partition, findings, stale) {
  const [word, mark] = CONDITIONS[partition.condition];
  link.className = `${partition.condition} ${stale ? "stale" : ""}`;
  link.replaceChildren(
    el("i", { title: word, role: "img", "aria-label": word }, mark),
    el("span", { class: "who" }, ...called(partition.name)),
    stale ? el("span", { class: "quiet" }, "stale") : "",
    findings.length ? el("span", { class: `count ${findings[0].severity}`, "aria-label": several(findings.length, "finding", "findings"), role: "img" }, String(findings.length)) : "",
  );
}

function fillGraph(group, graph, site, selected, isStale) {
  const [title, list, rest] = group.children;
  title.replaceChildren(name(graph.name), el("span", { class: "quiet" }, inWords(graph.task)));
  keep(list, graph.partitions, (each) => each.id, (each) => el("li", {}, el("a", { href: `#${each.id}` })), (item, each) => {
    const link = item.firstElementChild;
    entry(link, each, site.findings.filter((finding) => finding.partitionId === each.id), isStale(each));
    if (each.id === selected) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  const more = `${several(graph.leftOut, "partition", "partitions")} more`;
  say(rest, graph.partitions.length ? (graph.leftOut ? more : "") : "no window closed yet");
}

export function drawGraphs(site, selected, isStale) {
  keep(byId("graphs"), site.graphs, (graph) => graph.name, () => el("section", {}, el("h2"), el("ul"), el("p", { class: "quiet" })), (group, graph) => fillGraph(group, graph, site, selected, isStale));
}

function fillFinding(item, finding, pinned, selected) {
  const button = item.firstElementChild;
  item.finding = finding;
  item.className = `${finding.severity} ${finding.state}`;
  button.setAttribute("aria-pressed", String(finding.id === pinned));
  const where = finding.partitionId === selected ? [] : [" · ", name(finding.graph), " / ", ...called(finding.partition)];
  const parts = [
    el("span", { class: "head" }, el("b", {}, finding.severity), el("span", { class: "quiet" }, `${inWords(finding.kind)} · ${inWords(finding.state).toLowerCase()} · ${finding.confidence.toLowerCase()} confidence`, ...where)),
    el("span", { class: "statement" }, ...sentence(finding.statement)),
  ];
  if (finding.comment) parts.push(el("span", { class: "comment" }, el("span", { class: "quiet" }, "Model, unverified: "), name(finding.comment)));
  if (finding.by) parts.push(el("span", { class: "quiet" }, `${inWords(finding.state)} by `, name(finding.by), finding.note ? ": " : "", name(finding.note)));
  parts.push(el("span", { class: "quiet" }, "since ", time(finding.opened), " · last seen ", time(finding.seen)));
  button.replaceChildren(...parts);
}

export function drawFindings(site, pinned, selected) {
  const nothing = byId("nothing");
  nothing.hidden = site.findings.length > 0;
  say(nothing, site.status ? "No finding is open." : "There is no site yet.");
  const list = byId("findings");
  list.dataset.more = site.findingsLeftOut ? `and ${site.findingsLeftOut} more` : "";
  keep(list, site.findings, (finding) => finding.id, () => el("li", {}, el("button", { type: "button" })), (item, finding) => fillFinding(item, finding, pinned, selected));
}
