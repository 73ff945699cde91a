"use strict";
// Text reaches the page as text alone: nothing here makes markup of what a document, a query or a model said.
const $ = (id) => document.getElementById(id);
const index = JSON.parse($("index").textContent);
const { variants, metrics, queries, starts, chosen } = index;
const EQUAL = 1e-9, STEP = 50, PLACES = 10;

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
const drawn = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const quality = (value) => (value === null ? "–" : value.toFixed(3));
const signed = (value) => (Math.abs(value) < 5e-4 ? "0.000" : (value > 0 ? "+" : "−") + Math.abs(value).toFixed(3));
const whole = (value) => Number(value).toLocaleString("en");
const seconds = (value) => (value < 1 ? Math.round(1000 * value) + " ms" : value.toFixed(1) + " s");
const side = (difference) => (difference > EQUAL ? "b" : difference < -EQUAL ? "a" : "even");
function dollars(text) {
  // A cost comes as decimal text, or as null where nobody knows it.
  if (text === null || text === undefined) return "price unknown";
  const value = Number(text);
  return value === 0 ? "$0" : "$" + (value >= 0.1 ? value.toFixed(2) : value.toPrecision(2).includes("e") ? value.toFixed(7) : value.toPrecision(2));
}

// --- theme, datasets, tables

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

const state = { dataset: "", a: 0, b: 0, metric: 0, shown: STEP, order: [] };

for (const button of document.querySelectorAll("[data-scope]")) {
  button.addEventListener("click", () => {
    document.querySelectorAll("[data-scope]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    document.querySelectorAll(".scope").forEach((scope, place) => {
      scope.hidden = place !== Number(button.dataset.scope);
      if (!scope.hidden) state.dataset = scope.dataset.dataset;
    });
    compare();
  });
}
for (const box of document.querySelectorAll(".all-columns")) {
  box.addEventListener("change", () => {
    document.querySelectorAll(".all-columns").forEach((other) => { other.checked = box.checked; });
    document.querySelectorAll(".variants").forEach((table) => table.classList.toggle("wide", box.checked));
  });
}
for (const table of document.querySelectorAll(".variants")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => head.firstElementChild.addEventListener("click", () => {
    const direction = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", direction);
    const value = (row) => row.cells[place].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((one, other) => {
      const [x, y] = [value(one), value(other)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is not known stands last, whichever way
      const compared = place === 0 ? y.localeCompare(x) : Number(y) - Number(x);
      return direction === "descending" ? compared : -compared;
    });
    table.tBodies[0].append(...rows);
  }));
}

// --- two variants, query by query

function filled(select, names, at) {
  select.replaceChildren(...names.map((name, place) => make("option", { value: String(place), selected: place === at }, name)));
}
const named = (name, otherwise) => { const at = variants.findIndex((v) => v.name === name); return at < 0 ? otherwise : at; };
state.a = named(chosen.a, 0);
state.b = named(chosen.b, variants.length - 1);
for (const which of ["a", "b"]) {
  filled($(which), variants.map((v) => (v.letter ? v.letter + "  " : "") + v.name), state[which]);
  $(which).addEventListener("change", () => { state[which] = Number($(which).value); compare(); });
}
filled($("metric"), metrics, 0);
$("metric").addEventListener("change", () => { state.metric = Number($("metric").value); compare(); });
$("sort").addEventListener("change", list);
$("search").addEventListener("input", list);

function differences() {
  return queries.flatMap((query, number) => {
    if (state.dataset && query.dataset !== state.dataset) return [];
    const a = query.values[state.metric][state.a], b = query.values[state.metric][state.b];
    return [{ number, query, a, b, difference: a === null || b === null ? null : b - a }];
  });
}

function compare() {
  const both = differences().filter((row) => row.difference !== null);
  const count = { a: 0, b: 0, even: 0 };
  both.forEach((row) => { count[side(row.difference)] += 1; });
  const mean = both.reduce((sum, row) => sum + row.difference, 0) / both.length;
  $("tally").replaceChildren(...(both.length
    ? ["B is better on ", make("strong", { class: "b" }, whole(count.b)), " queries, A on ", make("strong", { class: "a" }, whole(count.a)),
       ", equal on " + whole(count.even) + ". Mean difference ", make("strong", {}, signed(mean)), "."]
    : ["The two have no query in common."]));
  waterfall(both.map((row) => row.difference).sort((x, y) => y - x));
  list();
}

function waterfall(values) {
  if (!values.length) return $("waterfall").replaceChildren();
  const width = 1000, height = 96, step = width / values.length;
  const up = Math.max(values[0], 0), down = Math.max(-values[values.length - 1], 0);
  const scale = (height - 4) / Math.max(up + down, 0.01), zero = 2 + up * scale;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": "Differences of all queries, from the best for B to the best for A" });
  values.forEach((value, place) => {
    const tall = Math.max(Math.abs(value) * scale, 0.6);
    svg.append(drawn("rect", { class: side(value), x: (place * step).toFixed(2), width: Math.max(step * 0.86, 0.4).toFixed(2), y: (value > 0 ? zero - tall : zero).toFixed(2), height: tall.toFixed(2) }));
  });
  svg.append(drawn("line", { x1: 0, x2: width, y1: zero, y2: zero, "vector-effect": "non-scaling-stroke" }));
  return $("waterfall").replaceChildren(svg);
}

const ORDERS = {
  moved: (x, y) => Math.abs(y.difference ?? -1) - Math.abs(x.difference ?? -1),
  b: (x, y) => (y.difference ?? -9) - (x.difference ?? -9),
  a: (x, y) => (x.difference ?? 9) - (y.difference ?? 9),
  low: (x, y) => (x.b ?? 9) - (y.b ?? 9),
  text: (x, y) => x.query.text.localeCompare(y.query.text),
  run: (x, y) => x.number - y.number,
};

function list() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = differences().filter((row) => {
    const text = (row.query.text + " " + row.query.id + " " + row.query.dataset).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  state.order = found.sort(ORDERS[$("sort").value]);
  state.shown = STEP;
  $("list").replaceChildren();
  grow(0);
}

function grow(from) {
  const most = Math.max(...queries.map((query) => Math.abs(difference(query))), 0.01);
  $("list").append(...state.order.slice(from, state.shown).map((row) => line(row, most)));
  const left = state.order.length - state.shown;
  $("more").replaceChildren(left > 0
    ? make("button", { type: "button", class: "quiet", onclick: () => { const start = state.shown; state.shown += 4 * STEP; grow(start); } }, `Show ${whole(Math.min(left, 4 * STEP))} more of ${whole(left)}`)
    : state.order.length ? "" : "No query has these words.");
}
function difference(query) {
  const values = query.values[state.metric];
  return (values[state.b] ?? 0) - (values[state.a] ?? 0);
}

function line(row, most) {
  const where = (index.datasets.length > 1 ? row.query.dataset + " · " : "") + row.query.id;
  const of = row.difference === null ? "even" : side(row.difference);
  const bar = make("span", { class: "bar", "aria-hidden": "true" });
  if (of !== "even") {
    const fill = make("i", { class: of });
    fill.style.width = (50 * Math.abs(row.difference) / most).toFixed(1) + "%";
    bar.append(fill);
  }
  return make("li", {}, make("button", { type: "button", onclick: () => open(row.number) },
    make("span", {}, row.query.text, make("span", { class: "where" }, where)),
    make("span", { class: "value" }, quality(row.a)), make("span", { class: "value" }, quality(row.b)), bar,
    make("span", { class: "delta " + of }, row.difference === null ? "–" : signed(row.difference))));
}

// --- one query

async function unpacked(id) {
  // The page may still be loading: a blob is whole when something follows it.
  while (!$(id)?.nextElementSibling) await new Promise((done) => setTimeout(done, 20));
  const text = atob($(id).textContent);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
const read = new Map();
function content(id) {
  if (!read.has(id)) read.set(id, unpacked(id));
  return read.get(id);
}
function blobOf(number) {
  let low = 0, high = starts.length - 1;
  while (low < high) { // the last blob that starts at or before the document; empty ones share a start with the next
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= number) low = middle; else high = middle - 1;
  }
  return low;
}
async function texts(numbers) {
  const blobs = new Map([...new Set(numbers.map(blobOf))].map((blob) => [blob, content("d" + blob)]));
  const found = new Map();
  for (const number of numbers) {
    const blob = blobOf(number);
    found.set(number, (await blobs.get(blob))[number - starts[blob]]);
  }
  return found;
}

const dialog = $("query");
const look = { number: null, a: null, b: null, seed: index.seeds[0], words: "", side: "b" };
dialog.addEventListener("close", () => { look.number = null; });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

async function open(number) {
  Object.assign(look, { number, a: state.a, b: state.b, words: "" });
  await show();
}

async function show() {
  const number = look.number;
  const found = await content("r" + number);
  const run = (variant) => {
    const of = found.runs.filter((one) => one.variant === variant);
    return of.find((one) => one.seed === look.seed) ?? of[0];
  };
  const runs = { a: run(look.a), b: run(look.b) };
  const numbers = [...new Set(Object.values(runs).flatMap((one) => (one ? one.places.map((place) => place[0]) : [])))];
  const documents = await texts(numbers);
  if (look.number !== number) return; // another was opened meanwhile
  const grades = found.runs.flatMap((one) => one.places.map((place) => place[2] ?? 0));
  const shared = { calls: found.calls, documents, highest: Math.max(1, ...grades), ranks: {} };
  for (const which of ["a", "b"]) shared.ranks[which] = new Map((runs[which]?.places ?? []).map((place, rank) => [place[0], rank + 1]));
  const columns = make("div", { class: "columns", "data-side": look.side });
  const fill = () => columns.replaceChildren(...["a", "b"].map((which) => column(which, runs[which], shared)));
  fill();
  dialog.replaceChildren(top_(number, columns, fill), columns);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function top_(number, columns, fill) {
  const query = queries[number], at = state.order.findIndex((row) => row.number === number);
  const step = (by, sign, label) => {
    const next = at < 0 ? undefined : state.order[at + by];
    return make("button", { type: "button", "aria-label": label, title: label, disabled: !next, onclick: () => { look.number = next.number; show(); } }, sign);
  };
  const picker = (which) => {
    const select = make("select", { "aria-label": "Variant " + which.toUpperCase(), onchange: () => { look[which] = Number(select.value); show(); } });
    filled(select, variants.map((v) => v.name), look[which]);
    return make("label", {}, make("span", { class: "dot " + which }), which.toUpperCase(), select);
  };
  const search = make("input", { type: "search", placeholder: "Search documents", "aria-label": "Search documents", value: look.words, oninput: () => { look.words = search.value; fill(); } });
  const sides = make("div", { class: "sides" });
  for (const which of ["a", "b"]) {
    sides.append(make("button", { type: "button", "aria-pressed": String(look.side === which), onclick: (event) => {
      look.side = columns.dataset.side = which;
      [...sides.children].forEach((other) => other.setAttribute("aria-pressed", String(other === event.currentTarget)));
    } }, which.toUpperCase() + " · " + variants[look[which]].name));
  }
  const controls = make("div", { class: "controls" }, picker("a"), picker("b"));
  if (index.seeds.length > 1) {
    const seed = make("select", { "aria-label": "Seed", onchange: () => { look.seed = index.seeds[Number(seed.value)]; show(); } });
    filled(seed, index.seeds.map(String), index.seeds.indexOf(look.seed));
    controls.append(make("label", {}, "seed", seed));
  }
  controls.append(make("label", { class: "grow" }, search));
  return make("div", { class: "bar-top" },
    make("div", { class: "line" },
      make("div", {}, make("h2", { id: "query-text", tabindex: "-1", autofocus: true }, query.text), make("p", { class: "where" }, query.dataset + " · " + query.id)),
      make("div", { class: "steps" }, step(-1, "↑", "Previous query"), step(1, "↓", "Next query"),
        make("button", { type: "button", "aria-label": "Close", title: "Close", onclick: () => dialog.close() }, "✕"))),
    controls, sides);
}

function column(which, run, shared) {
  const variant = variants[look[which]];
  const head = make("h3", {}, make("span", { class: "dot " + which }), variant.name);
  if (!run) return make("div", { class: "column " + which }, head, make("p", { class: "facts" }, "This variant has no result for this query."));
  const usage = run.usage, facts = make("p", { class: "facts" });
  metrics.forEach((metric, place) => facts.append(place ? " · " : "", metric + " ", make("b", {}, quality(run.metrics[metric] ?? null))));
  const words = look.words.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = run.places.map((place, at) => ({ place, rank: at + 1 })).filter(({ place }) => {
    const text = shared.documents.get(place[0]).filter(Boolean).join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const places = make("ol", { class: "places" }), more = make("span", {});
  let shown = 0;
  const grow = (by) => {
    places.append(...rows.slice(shown, shown + by).map(({ place, rank }) => placed(which, place, rank, shared)));
    shown += by;
    const left = rows.length - shown;
    more.replaceChildren(left > 0 ? make("button", { type: "button", class: "quiet", onclick: () => grow(left) }, `Show ${whole(left)} more`) : rows.length ? "" : "No document has these words.");
  };
  grow(PLACES);
  return make("div", { class: "column " + which }, head, facts,
    variant.reference ? null : make("p", { class: "facts" }, [
      whole(usage.calls ?? 0) + " calls", usage.cached_calls ? whole(usage.cached_calls) + " from the cache" : "",
      whole((usage.input_tokens ?? 0) + (usage.output_tokens ?? 0)) + " tokens", dollars(usage.cost_usd), seconds(usage.latency_s ?? 0)].filter(Boolean).join(" · ")),
    run.status === "complete" ? null : make("p", { class: "facts failed" }, run.status + ": " + run.reasons.join(" ")),
    places, more);
}

function placed(which, place, rank, shared) {
  const [number, first, grade, score, judgments] = place;
  const [id, title, text] = shared.documents.get(number);
  const other = which === "a" ? "b" : "a", elsewhere = shared.ranks[other].get(number);
  const moved = first - rank;
  const chip = make("span", { class: "grade" + (grade === null ? " none" : grade / shared.highest > 0.6 ? " high" : "") }, grade === null ? "no grade" : "grade " + grade);
  chip.style.setProperty("--part", String(grade === null ? 0 : Math.max(0, grade) / shared.highest));
  const chips = make("span", { class: "chips" }, chip,
    make("span", { title: "From its rank in the first stage" }, moved ? (moved > 0 ? "▲ " : "▼ ") + Math.abs(moved) + " from " + first : "= " + first),
    score === null ? null : make("span", {}, "score " + score.toFixed(2)),
    elsewhere === undefined ? null : make("span", { class: "delta " + (elsewhere === rank ? "" : other) }, other.toUpperCase() + ": " + elsewhere));
  const details = make("details", { class: "place", "data-document": String(number), ontoggle: () => {
    if (details.open && details.childElementCount === 1) details.append(body(text, id, judgments, shared));
    dialog.querySelectorAll(".place").forEach((one) => one.classList.toggle("same", details.open && one.dataset.document === String(number)));
  } }, make("summary", {}, make("span", { class: "rank" }, String(rank)), make("span", {}, snippet(id, title, text), chips)));
  return make("li", {}, details);
}

// Passages of one article all have its title: how they begin tells them apart.
function snippet(id, title, text) {
  const start = (text ?? "").slice(0, 240);
  return make("span", { class: "snippet" }, title ? make("b", {}, title + " ") : null, title ? make("span", { class: "start" }, start) : start || id);
}

function body(text, id, judgments, shared) {
  const told = judgments.map(([call, score, label, position, reason]) => {
    const [stage, round, prompt, model, reply, repairs, failure, input, output, cost, latency, cached, window] = shared.calls[call];
    const verdict = failure ? make("b", { class: "failed" }, "no judgment: " + failure)
      : make("b", {}, position !== null ? `place ${position} of ${window}` : label !== null ? label + (score === null ? "" : ` → ${score.toFixed(2)}`) : score === null ? "judged" : score.toFixed(2));
    const facts = [stage + (round > 1 ? `, round ${round}` : ""), prompt, model, whole(input ?? 0) + " + " + whole(output ?? 0) + " tokens",
      dollars(cost) + (window > 1 ? ` for ${window} documents` : ""), seconds(latency ?? 0), cached ? "from the cache" : ""].filter(Boolean).join(" · ");
    return make("div", { class: "judgment" }, verdict, make("p", { class: "facts" }, facts),
      reason ? make("p", { class: "reason" }, reason) : null,
      repairs?.length ? make("p", { class: "facts" }, "repaired: " + repairs.join("; ")) : null,
      reply === null || reply === undefined ? null : make("pre", { "aria-label": "Raw reply" }, reply));
  });
  return make("div", { class: "body" }, make("p", { class: "text" }, text || "The folder of the run does not have the text of this document."),
    make("p", { class: "facts" }, id), ...told, told.length ? null : make("p", { class: "facts" }, "No judgment; the document keeps the place that the first stage or a tie gave it."));
}

compare();
performance.mark("usable");
