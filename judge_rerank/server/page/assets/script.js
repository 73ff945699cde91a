"use strict";
// Text reaches the page as text alone: nothing here makes markup of what a document, a query or a model said.
const root = new URL("../", document.currentScript.src);
const $ = (id) => document.getElementById(id);
const SIDES = ["a", "b"], PLACES = 50, KEY = "judge-rerank-key";
const state = { about: null, running: null, sides: { a: null, b: null } };

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}
const whole = (value) => Number(value).toLocaleString("en");
const counted = (count, one, several = one + "s") => whole(count) + " " + (count === 1 ? one : several);
const seconds = (value) => (value < 1 ? Math.round(1000 * value) + " ms" : value.toFixed(1) + " s");
function dollars(text) {
  // A cost comes as decimal text, or as null where nobody knows it.
  if (text === null || text === undefined) return "price unknown";
  const value = Number(text);
  if (value === 0) return "$0";
  return "$" + (value >= 0.1 ? value.toFixed(2) : value.toFixed(Math.min(8, 1 - Math.floor(Math.log10(value)))));
}
const say = (text) => { $("said").textContent = text; };

// --- theme, key

$("theme").addEventListener("click", () => {
  const top = document.documentElement;
  const dark = top.dataset.theme ? top.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  top.dataset.theme = dark ? "light" : "dark";
});
const headers = () => (sessionStorage.getItem(KEY) ? { Authorization: "Bearer " + sessionStorage.getItem(KEY) } : {});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("key").value.trim());
  $("key").value = "";
  start();
});
$("forget").addEventListener("click", () => { sessionStorage.removeItem(KEY); location.reload(); });

function askForKey(message) {
  $("key-form").hidden = false;
  $("ask").hidden = $("forget").hidden = true;
  $("key-error").textContent = message;
  $("key").toggleAttribute("aria-invalid", false);
  if (message) $("key").setAttribute("aria-invalid", "true");
  $("key").focus();
}

/** What the server says at an address; an error in its words where it says no. */
async function fetched(path, options = {}) {
  const response = await fetch(new URL(path, root), { ...options, headers: { ...options.headers, ...headers() } });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const wait = response.headers.get("Retry-After");
  throw Object.assign(new Error(refusal(said.message, wait)), { status: response.status });
}
function refusal(message, wait) {
  return (message || "The server does not answer as expected.") + (wait ? ` Try again in ${counted(Math.ceil(wait), "second")}.` : "");
}
const broken = (error) => (error instanceof TypeError ? "The server cannot be reached." : error.message);

// --- what is asked

/** The documents of a text: JSON, JSONL or one a line; throws what is wrong with it. */
function documentsOf(text) {
  const lines = text.split(/\r?\n/);
  const first = lines.find((line) => line.trim()) ?? "";
  if (text.trim().startsWith("[")) {
    try {
      const items = JSON.parse(text);
      if (items.every((item) => typeof item === "string" || (item && typeof item === "object"))) return items;
    } catch { /* a text may begin with a bracket */ }
  }
  if (!isRecord(read(first))) return lines.map((line) => line.trim()).filter(Boolean);
  const items = [];
  lines.forEach((line, place) => {
    if (!line.trim()) return;
    const item = read(line);
    if (!isRecord(item) && typeof item !== "string") throw new Error(`Line ${place + 1} is not a JSON object like the first one.`);
    items.push(item);
  });
  return items;
}
const isRecord = (item) => item !== null && typeof item === "object" && !Array.isArray(item);
function read(line) { try { return JSON.parse(line); } catch { return undefined; } }

function count() {
  try {
    const documents = documentsOf($("documents").value);
    const most = state.about?.limits.documents ?? Infinity;
    const over = documents.length > most ? ` This server takes at most ${whole(most)}.` : "";
    $("count").textContent = documents.length ? counted(documents.length, "document") + "." + over : "";
  } catch (error) { $("count").textContent = error.message; }
}
let counting = 0;
$("documents").addEventListener("input", () => { clearTimeout(counting); counting = setTimeout(count, 300); });

function taken(documents, query) {
  $("documents").value = documents;
  if (query !== undefined) $("query").value = query;
  count();
}
async function opened(files) {
  const size = [...files].reduce((sum, file) => sum + file.size, 0), most = state.about.limits.body_bytes;
  if (size > most) return wrong("documents", `These files have ${whole(size)} bytes; this server takes at most ${whole(most)}.`);
  taken((await Promise.all([...files].map((file) => file.text()))).map((text) => text.trim()).join("\n"));
  right();
}
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => { await opened($("file").files); $("file").value = ""; });
$("documents").addEventListener("dragover", (event) => { event.preventDefault(); $("documents").classList.add("over"); });
$("documents").addEventListener("dragleave", () => $("documents").classList.remove("over"));
$("documents").addEventListener("drop", (event) => {
  $("documents").classList.remove("over");
  if (event.dataTransfer.files.length === 0) return;
  event.preventDefault();
  opened(event.dataTransfer.files);
});
for (const sample of document.querySelectorAll("template[data-query]")) {
  const take = () => { taken(sample.content.textContent.trim(), sample.dataset.query); right(); };
  $("samples").append(make("button", { class: "quiet", type: "button", onclick: take }, sample.dataset.name));
}

function wrong(field, message) {
  right();
  $("error").textContent = message;
  $(field).setAttribute("aria-invalid", "true");
  $(field).focus();
}
function right() {
  $("error").textContent = "";
  document.querySelectorAll("#ask [aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
}

/** What each side is asked: null for none, else the name of a route or a strategy. */
function models() {
  return Object.fromEntries(SIDES.map((side) => {
    const [kind, name] = [$("route-" + side).value.slice(0, 1), $("route-" + side).value.slice(2)];
    return [side, kind === "r" ? name : kind === "s" ? $("spec-" + side).value.trim() : null];
  }));
}
function fillRoutes() {
  const { routes, specs } = state.about;
  const chosen = { a: 0, b: Math.min(1, routes.length + (specs ? 1 : 0) - 1) };
  for (const side of SIDES) {
    const options = routes.map((name) => make("option", { value: "r:" + name }, name));
    if (specs) options.push(make("option", { value: "s:" }, "a strategy of your own"));
    options[chosen[side]]?.setAttribute("selected", "");
    if (side === "b") options.push(make("option", { value: "n:", selected: options.length === 1 }, "none"));
    const select = $("route-" + side);
    select.replaceChildren(...options);
    const shown = () => { document.querySelector(`fieldset.${side} .spec`).hidden = !select.value.startsWith("s"); };
    select.onchange = shown;
    shown();
  }
}

// --- ranking

$("ask").addEventListener("submit", (event) => { event.preventDefault(); rankBoth(); });
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); rankBoth(); }
});
$("stop").addEventListener("click", () => state.running?.abort());

async function rankBoth() {
  if (state.running) return;
  right();
  let documents;
  try { documents = documentsOf($("documents").value); } catch (error) { return wrong("documents", error.message); }
  if (!documents.length) return wrong("documents", "There are no documents yet. Paste some, open a file or take a sample.");
  if (!$("query").value.trim()) return wrong("query", "The query is empty.");
  const asked = models();
  for (const side of SIDES) if (asked[side] === "") return wrong("spec-" + side, "Which strategy? For example: bm25 % 20 >> score");
  state.running = new AbortController();
  $("rank").disabled = true;
  $("stop").hidden = false;
  $("results").hidden = false;
  say("Ranking.");
  for (const side of SIDES) state.sides[side] = asked[side] === null ? null : { name: asked[side], began: performance.now() };
  render();
  const clock = setInterval(tick, 200);
  await Promise.all(SIDES.filter((side) => state.sides[side]).map((side) => rankOne(side, { query: $("query").value, documents, model: asked[side] })));
  clearInterval(clock);
  const focused = document.activeElement === $("stop");
  state.running = null;
  $("rank").disabled = false;
  $("stop").hidden = true;
  if (focused) $("rank").focus();
  compare();
}

async function rankOne(side, body) {
  const one = state.sides[side];
  try {
    const response = await fetched("page/rank", { method: "POST", body: JSON.stringify(body), signal: state.running.signal });
    for await (const { event, data } of events(response)) {
      if (event === "progress") { one.progress = data; tick(); }
      if (event === "result") one.result = data;
      if (event === "problem") one.problem = refusal(data.message, data.retry_after_s);
    }
    if (!one.result && !one.problem) one.problem = "The server closed the connection.";
  } catch (error) {
    if (error.status === 401) askForKey(error.message);
    one.problem = error.name === "AbortError" ? "Stopped. Calls that had not been sent are not paid for." : broken(error);
  }
  const name = side.toUpperCase();
  render(side);
  const told = one.result ? `is ready: ${counted(one.result.results.length, "document")} in ${seconds(one.result.latency_s)}. ` : `: ${one.problem}`;
  say(`Side ${name} ${told}${$("compared").textContent}`);
}

/** The server-sent events of a response. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let buffer = "", from = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end; (end = buffer.indexOf("\n\n", from)) >= 0; from = 0) {
      const fields = Object.fromEntries(buffer.slice(0, end).split("\n").map((line) => [line.split(": ", 1)[0], line.slice(line.indexOf(": ") + 2)]));
      buffer = buffer.slice(end + 2);
      if (fields.data) yield { event: fields.event, data: JSON.parse(fields.data) };
    }
    from = Math.max(0, buffer.length - 1);
  }
}

// --- what is shown

/** Show what is new of a side, or how the sides stand where none is given; what is open on the other stays as it is. */
function render(side) {
  const shown = SIDES.filter((each) => state.sides[each]);
  $("columns").classList.toggle("one", shown.length < 2);
  $("switch").hidden = shown.length < 2;
  for (const each of side ? [side] : SIDES) {
    $("column-" + each).hidden = !state.sides[each];
    $("column-" + each).replaceChildren(...(state.sides[each] ? column(each, state.sides[each], shown.length > 1) : []));
  }
  compare();
  tick();
}
function column(side, one, lettered) {
  const title = make("h3", { id: "name-" + side }, make("span", { class: "dot " + side, "aria-hidden": "true" }), (lettered ? side.toUpperCase() + " · " : "") + one.name);
  if (one.problem) return [title, make("p", { class: "words partial" }, one.problem)];
  if (!one.result) {
    const bar = make("progress", { id: "bar-" + side, "aria-label": "Progress of side " + side.toUpperCase() });
    return [title, make("div", { class: "progress" }, bar, make("p", { class: "hint", id: "news-" + side }))];
  }
  return [title, ...about(one), places(side, one)];
}
function tick() {
  for (const side of SIDES) {
    const one = state.sides[side], news = $("news-" + side);
    if (!one || !news) continue;
    const time = seconds((performance.now() - one.began) / 1000), now = one.progress;
    news.textContent = now ? `Round ${now.round}${now.stage ? ", " + now.stage : ""}: ${whole(now.round_done)} of ${whole(now.round_calls)} · ${dollars(now.cost_usd)} · ${time}` : `Waiting · ${time}`;
    if (now) { $("bar-" + side).max = now.round_calls; $("bar-" + side).value = now.round_done; }
  }
}
function about(one) {
  const found = one.result, judged = found.judged.length, all = judged + found.unjudged.length;
  const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  const calls = whole(found.calls) + (found.cached_calls ? ` (and ${whole(found.cached_calls)} from the cache)` : "");
  const status = found.status === "complete" ? "Complete: every document was judged."
    : `Partial: ${whole(judged)} of ${counted(all, "document")} were judged; the others follow the first stage's order.`;
  const early = found.results.filter((each) => each.cut_by && each.judged).length;
  const cut = early ? [`${counted(early, "document was", "documents were")} judged by an earlier stage alone`] : [];
  const words = [...cut, ...found.reasons, ...found.integrity.filter((said) => !said.includes("not judged"))].map((said) => said[0].toUpperCase() + said.slice(1) + ".");
  const share = found.link ? make("button", { class: "quiet", type: "button", onclick: (event) => copy(event.currentTarget, [found.link]) }, "Copy link") : null;
  return [
    make("p", { class: "strategy" }, make("code", {}, found.strategy)),
    make("dl", { class: "facts" }, fact("cost", dollars(found.cost_usd)), fact("calls", calls), fact("rounds", whole(found.rounds)), fact("time", seconds(found.latency_s))),
    make("p", { class: "words" + (found.status === "partial" ? " partial" : "") }, [status, ...words].join(" ")),
    ...found.notes.map((note) => make("p", { class: "words" }, note)),
    share ? make("div", { class: "row" }, share) : "",
  ];
}
function places(side, one) {
  const list = make("ol", { class: "places", role: "list" });
  const { results } = one.result;
  const add = (from) => {
    list.append(...results.slice(from, from + PLACES).map((each) => place(side, each)));
    if (results.length > from + PLACES) {
      const more = make("li", { class: "more" }, make("button", { class: "quiet", type: "button", onclick: () => { more.remove(); add(from + PLACES); list.children[from + PLACES].querySelector("summary").focus(); } }, `Show ${counted(Math.min(PLACES, results.length - from - PLACES), "more document", "more documents")}`));
      list.append(more);
    }
    compare();
  };
  add(0);
  return list;
}
function place(side, each) {
  const moved = each.index + 1 - each.rank;
  const move = moved === 0 ? make("span", {}, `first stage ${each.index + 1}`)
    : make("span", {}, `first stage ${each.index + 1} `, make("span", { class: moved > 0 ? "up" : "down" }, (moved > 0 ? "↑ up " : "↓ down ") + Math.abs(moved)));
  const meter = each.score === null ? null : make("span", { class: "meter", "aria-hidden": "true" });
  meter?.style.setProperty("--part", 100 * each.score + "%");
  const chips = make("span", { class: "chips" }, meter,
    make("span", {}, each.score === null ? "no score" : make("b", {}, each.score.toFixed(3))), move,
    make("span", { class: "across" }),
    each.judged ? null : make("span", { class: "tag" }, "not judged, follows the first stage"),
    each.cut_by ? make("span", { class: "tag" }, "cut by " + each.cut_by) : null);
  const text = each.text ?? `Document ${each.index + 1}`;
  const heading = make("span", { class: each.text === null ? "snippet untold" : "snippet" }, text.slice(0, 400) || "(empty)");
  const stages = each.stages.map(({ stage, said }) => make("div", {}, make("dt", {}, stage), make("dd", {}, said)));
  return make("li", { class: "place " + side, "data-index": each.index, "data-rank": each.rank }, make("details", {},
    make("summary", {}, make("span", { class: "rank" }, String(each.rank)),
      make("span", {}, heading, chips, each.reason ? make("span", { class: "reason snippet" }, "“" + each.reason + "”") : null)),
    make("div", { class: "body" }, each.text === null ? null : make("p", { class: "text", tabindex: "0", role: "region", "aria-label": `Document ${each.index + 1}` }, each.text || "(empty)"),
      each.reason ? make("p", { class: "reason" }, "Reason: " + each.reason) : null,
      stages.length ? make("dl", { class: "stages" }, ...stages) : make("p", { class: "words" }, "No judgment; the document keeps its first-stage place."))));
}
function compare() {
  const [one, other] = SIDES.map((side) => state.sides[side]?.result);
  const both = one && other && one.results.length === other.results.length;
  $("share-both").hidden = !(both && one.link && other.link);
  if (!both) { $("compared").textContent = ""; return; }
  const size = one.results.length, top = Math.min(5, size);
  const ranksBy = (result) => new Map(result.results.map((each) => [each.index, each.rank]));
  const ranks = ranksBy(other);
  cross("a", "B", ranks);
  cross("b", "A", ranksBy(one));
  const first = one.results[0]?.index === other.results[0]?.index ? "Both have the same document first." : "They have different documents first.";
  const shared = one.results.slice(0, top).filter((each) => ranks.get(each.index) <= top).length;
  const far = one.results.reduce((most, each) => (Math.abs(each.rank - ranks.get(each.index)) > Math.abs(most.rank - ranks.get(most.index)) ? each : most), one.results[0]);
  const move = far && far.rank !== ranks.get(far.index) ? ` The largest difference: document ${far.index + 1}, place ${far.rank} by A and ${ranks.get(far.index)} by B.` : " The orders are the same.";
  $("compared").textContent = size ? `${first} Of the first ${top}, ${shared} ${shared === 1 ? "is" : "are"} the same.${move}` : "";
}
/** Say at each document of a side where the other side has it. */
function cross(side, other, ranks) {
  for (const item of $("column-" + side).querySelectorAll(".place")) {
    const rank = ranks.get(Number(item.dataset.index)), same = rank === Number(item.dataset.rank);
    item.classList.toggle("same", same);
    item.querySelector(".across").textContent = same ? `same place by ${other}` : `place ${rank} by ${other}`;
  }
}
for (const button of $("switch").children) {
  button.addEventListener("click", () => {
    $("columns").dataset.side = button.dataset.side;
    for (const each of $("switch").children) each.setAttribute("aria-pressed", String(each === button));
  });
}

// --- links

async function copy(button, links) {
  const address = new URL("r/" + encodeURIComponent(links[0]), root);
  if (links.length > 1) address.searchParams.set("with", links[1]);
  const name = button.textContent;
  try {
    await navigator.clipboard.writeText(address.href);
    button.textContent = "Copied";
    say("The link is copied.");
    setTimeout(() => { button.textContent = name; }, 2000);
  } catch { // a page that is not on https or this machine may not copy
    const field = make("input", { type: "text", readonly: true, "aria-label": "Link", value: address.href });
    button.replaceWith(field);
    field.select();
    field.focus();
  }
}
$("share-both").addEventListener("click", (event) => copy(event.currentTarget, SIDES.map((side) => state.sides[side].result.link)));

/** The links of the page's own address; none where it is no link. */
function linked() {
  const path = location.pathname.split("/");
  if (path.at(-2) !== "r") return [];
  return [decodeURIComponent(path.at(-1)), new URLSearchParams(location.search).get("with")].filter(Boolean);
}
async function showShared(links) {
  $("title").textContent = links.length > 1 ? "Two stored rankings" : "A stored ranking";
  $("description").textContent = "Read back from the trace of this server.";
  try {
    const found = await Promise.all(links.map(async (link) => (await fetched("page/shared/" + encodeURIComponent(link))).json()));
    found.forEach((result, place) => { state.sides[SIDES[place]] = { name: result.route, result }; });
    if (found[0].query !== null) $("description").textContent = `Read back from the trace of this server. The query: ${found[0].query}`;
    $("key-form").hidden = $("lost").hidden = true;
    $("results").hidden = false;
    render();
    say("The ranking is shown.");
    if (!found[0].texts) {
      askForKey("");
      $("key-hint").textContent = "The texts are shown with a key of this server. It stays in this tab, and is gone when you close it.";
    }
  } catch (error) {
    if (error.status === 401) { sessionStorage.removeItem(KEY); return askForKey(error.message); }
    $("lost").textContent = broken(error);
  }
}

async function start() {
  $("forget").hidden = !sessionStorage.getItem(KEY);
  const links = linked();
  if (links.length) return showShared(links);
  const first = !sessionStorage.getItem(KEY);
  try {
    state.about = await (await fetched("page/about")).json();
    $("key-form").hidden = true;
    $("ask").hidden = false;
    fillRoutes();
    count();
    if (!first) $("documents").focus();
  } catch (error) {
    if (error.status !== 401) { $("lost").textContent = broken(error); return; }
    sessionStorage.removeItem(KEY);
    askForKey(first ? "" : error.message);
  }
}
start();
