"use strict";
const get = (id) => document.getElementById(id);
const settings = JSON.parse(get("settings").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const lights = new RegExp(Object.keys(settings.dark).map((light) => light.replace(/[()]/g, "\\$&")).join("|"), "g");
const off = new Set();
const options = { responsive: true, displaylogo: false, displayModeBar: false };
const holders = [...document.querySelectorAll("figure[data-figure]")];
const views = {};
let figures = {}, round = 0;

async function unpack(id) {
  const bytes = Uint8Array.from(atob(get(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

async function loadPlotly() { /* after the page has opened: text and tables do not wait for megabytes of script */
  await new Promise((opened) => (document.readyState === "complete" ? opened() : addEventListener("load", opened)));
  const script = document.createElement("script");
  script.textContent = await unpack("packed-plotly");
  document.head.append(script);
}

/* ---- figures: metric, view, losses, width and colours of the window ---- */

const lossOf = (text) => settings.losses.find((loss) => text === loss || String(text).startsWith(`${loss} (`));
const named = settings.losses.map((loss) => [loss, new RegExp(`(?<![\\w-])${loss.replace(/[^\w]/g, "\\$&")}(?![\\w-])`)]);
function speaksOfHiddenOnly(sentence) {
  const losses = named.filter(([, word]) => word.test(sentence)).map(([loss]) => loss);
  return losses.length > 0 && losses.every((loss) => off.has(loss));
}
const hidden = (text) => off.has(lossOf(text));
const figureOf = (key) => figures[key]?.[document.body.dataset.metric] ?? figures[key]?.[""];

function traceShown(trace, view) {
  const isOff = hidden(trace.meta?.loss ?? trace.legendgroup ?? trace.name), other = trace.meta?.view && trace.meta.view !== view;
  const points = (values) => values && values.map((v, i) => (hidden(trace.x?.[i]) || hidden(trace.y?.[i]) ? null : v));
  return { ...trace, visible: !isOff && !other, x: off.size ? points(trace.x) : trace.x, y: off.size ? points(trace.y) : trace.y };
}

const viewsOf = (figure) => Object.keys(figure.layout.meta?.views ?? {});
const shownOf = (key, names) => (names.includes(views[key]) ? views[key] : names[0]);

function put(layout, path, value) {
  const keys = path.split("_");
  const last = keys.pop();
  keys.reduce((at, key) => (at[key] = at[key] ?? {}), layout)[last] = value;
}

function arranged(layout, width, view) {
  const meta = layout.meta ?? {};
  if (width < 500) Object.assign(layout.font, { size: 11 });
  if (meta.arrangements) {
    const most = Math.min(Object.keys(meta.arrangements).length, layout.annotations.length);
    const count = Math.max(1, Math.min(most, Math.floor(width / 170)));
    for (const [path, value] of Object.entries(meta.arrangements[count])) put(layout, path, value);
  }
  if (meta.views) layout.title.text = meta.views[view];
  if (layout.images) layout.images = layout.images.filter((image) => !hidden(image.name));
  return layout;
}

function colours(text, isDark) {
  return JSON.parse(isDark ? text.replace(lights, (light) => settings.dark[light]) : text);
}

function draw(holder, isDark = dark.matches) {
  const key = holder.dataset.figure, figure = figureOf(key);
  holder.hidden = !figure;
  if (!figure) return;
  const plot = holder.querySelector(".plot"), { data, layout } = colours(JSON.stringify(figure), isDark);
  const names = viewsOf(figure), view = shownOf(key, names);
  offerViews(holder, names, view);
  arranged(layout, plot.clientWidth, view);
  plot.style.height = `${layout.height}px`;
  Plotly.react(plot, data.map((trace) => traceShown(trace, view)), layout, options);
}

function offerViews(holder, names, chosen) {
  const box = holder.querySelector(".views"), key = holder.dataset.figure;
  if (box.childElementCount || names.length < 2) return;
  for (const name of names) {
    const label = document.createElement("label"), input = document.createElement("input"), text = document.createElement("span");
    Object.assign(input, { type: "radio", name: `view-${key}`, value: name, checked: name === chosen });
    input.addEventListener("change", () => { views[key] = name; draw(holder); });
    text.textContent = name;
    label.append(input, text);
    box.append(label);
  }
}

async function drawAll() {
  const mine = ++round;
  if (!window.Plotly) return;
  for (const holder of holders) {
    if (mine !== round) return;
    draw(holder);
    await new Promise((next) => setTimeout(next));
  }
  document.body.dataset.drawn = mine;
}

for (const input of document.querySelectorAll("input[name=metric]")) {
  input.addEventListener("change", () => { document.body.dataset.metric = input.value; drawAll(); });
}
for (const input of document.querySelectorAll("input[name=loss]")) {
  input.addEventListener("change", () => {
    if (input.checked) off.delete(input.value); else off.add(input.value);
    for (const cell of document.querySelectorAll("[data-loss]")) cell.hidden = off.has(cell.dataset.loss);
    for (const line of document.querySelectorAll(".answer > span")) line.hidden = speaksOfHiddenOnly(line.textContent);
    drawAll();
  });
}
dark.addEventListener("change", drawAll);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawAll(); } });
let closed = [];
addEventListener("beforeprint", () => { /* light, and nothing folded away */
  holders.forEach((holder) => draw(holder, false));
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  drawAll();
});

/* ---- quoting a figure ---- */

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000); // Firefox reads it after the click
}

const quoted = (value) => (value == null ? "" : /[",\n\r]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
const lines = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";

function figureRows({ data, layout }) {
  const frame = (trace) => layout.annotations?.find((a) => a.xref === `${trace.xaxis ?? "x"} domain`)?.text.replace(/<\/?b>/g, "");
  const cells = data.some((trace) => trace.z); /* of a heat map, whose value is z */
  const rows = [["frame", "view", "loss", "series", "point", "x", "y", ...(cells ? ["z"] : []), "low", "high"]];
  for (const trace of data) {
    const across = trace.error_x?.array, bars = across ? trace.error_x : trace.error_y, middle = across ? trace.x : trace.y;
    const name = trace.name ?? trace.legendgroup ?? String(trace.hovertemplate ?? "").split(/[:<]/)[0];
    const loss = trace.meta?.loss ?? lossOf(trace.legendgroup ?? name);
    (trace.x ?? []).forEach((x, i) => {
      if (x == null) return; // a line of the legend
      const end = (by, sign) => (by?.[i] == null || middle[i] == null ? null : +(middle[i] + sign * by[i]).toPrecision(6));
      const point = Array.isArray(trace.text) ? trace.text[i] : null;
      const start = [frame(trace), trace.meta?.view, loss, name, point, x, trace.y[i]];
      if (trace.z) return rows.push([...start, trace.z[i], ...trace.customdata[i]]);
      rows.push([...start, end(bars?.arrayminus ?? bars?.array, -1), end(bars?.array, 1)]);
    });
  }
  return rows;
}

function captionOf(holder, metric) { /* as the figure is shown */
  const key = holder.dataset.figure, names = viewsOf(figureOf(key));
  const view = names.length > 1 ? ` Curves: ${shownOf(key, names)}.` : "", without = off.size ? ` Not shown: ${[...off].join(", ")}.` : "";
  return holder.querySelector(`figcaption > [data-for="${metric}"]`).textContent + view + without;
}

async function quote(holder, kind) {
  const metric = document.body.dataset.metric, name = `${settings.name}-${holder.dataset.figure}-${metric}`.replace(/[^\w.-]+/g, "_");
  const plot = holder.querySelector(".plot");
  if (kind === "csv") return save(new Blob([lines(figureRows(figureOf(holder.dataset.figure)))], { type: "text/csv" }), `${name}.csv`);
  if (kind === "caption") return copy(captionOf(holder, metric));
  const paper = { ...plot.layout, paper_bgcolor: getComputedStyle(document.body).backgroundColor };
  return Plotly.downloadImage({ data: plot.data, layout: paper }, { format: kind, filename: name, width: plot.clientWidth, height: plot.layout.height, scale: kind === "png" ? 2 : 1 });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", async () => {
    await quote(button.closest("figure"), button.dataset.save);
    if (button.dataset.save !== "caption") return;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy caption"; }, 3000);
  });
}

/* ---- trials ---- */

let trials;
function expanded(column) { /* scores are digits of one width, in hundred-thousandths */
  if (Array.isArray(column)) return column;
  const texts = column.digits.match(new RegExp(`.{${column.width}}`, "g"));
  return texts.map((text) => (text.trim() ? Number(text) / 1e5 : null));
}
async function loadTrials() {
  if (!trials) trials = Object.fromEntries(Object.entries(await unpack("packed-trials")).map(([name, column]) => [name, expanded(column)]));
  return trials;
}

get("download").addEventListener("click", async () => {
  const columns = Object.entries(await loadTrials());
  const rows = columns[0][1].map((_, i) => columns.map(([, values]) => values[i]));
  save(new Blob([lines([columns.map(([name]) => name), ...rows])], { type: "text/csv" }), `${settings.name.replace(/[^\w.-]+/g, "_")}.csv`);
});

async function find() {
  const table = await loadTrials(), words = get("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = ["trial_id", "study", "loss", "design", "moved", "seed", "state", `test_${document.body.dataset.metric}`].filter((name) => table[name]);
  const settingsOf = (i) => Object.keys(table).filter((n) => n.startsWith("hp.") && table[n][i] != null).map((n) => `${n.slice(3)} ${table[n][i]}`).join(", ");
  const hits = [];
  let count = 0;
  for (let i = 0; words.length && i < table.trial_id.length; i++) {
    const text = [...shown.map((name) => table[name][i]), table.note?.[i]].join(" ").toLowerCase();
    if (words.every((word) => text.includes(word)) && ++count <= 50) hits.push(i);
  }
  get("found").textContent = words.length ? `${count} found${count > 50 ? ", 50 shown" : ""}` : "";
  const row = (cells, kind) => { const tr = document.createElement("tr"); for (const cell of cells) { const td = document.createElement(kind); td.append(cell ?? ""); tr.append(td); } return tr; };
  const body = hits.map((i) => row([runLink(table.trial_id[i], table.study?.[i]), ...shown.slice(1).map((name) => table[name][i]), settingsOf(i), table.note?.[i]], "td"));
  get("trial-rows").replaceChildren(...(hits.length ? [row([...shown, "setting", "note"], "th"), ...body] : []));
}

function runLink(id, study = settings.name) {
  if (!settings.runs[study]) return id;
  const link = document.createElement("a");
  link.href = settings.runs[study].replace("{trial_id}", id);
  link.textContent = id;
  link.rel = "noreferrer";
  return link;
}
get("find").addEventListener("input", find);

/* ---- contents follow the reading ---- */

const entries = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.getAttribute("href").slice(1), a]));
const narrow = matchMedia("(max-width: 1099px)");
document.querySelector(".contents details").open = !narrow.matches;
const sections = [...document.querySelectorAll("main section")];
function follow() {
  const top = document.querySelector(".controls").getBoundingClientRect().bottom + 90;
  const current = sections.filter((section) => section.getBoundingClientRect().top < top).pop() ?? sections[0];
  for (const [key, link] of entries) {
    if (key === current.id) link.setAttribute("aria-current", "location"); else link.removeAttribute("aria-current");
  }
  const box = document.querySelector(".contents details"), link = entries.get(current.id);
  if (box.scrollHeight > box.clientHeight) box.scrollTop = link.offsetTop - box.clientHeight / 2;
}
addEventListener("scroll", () => requestAnimationFrame(follow), { passive: true });
follow();

Promise.all([unpack("packed-figures"), loadPlotly()]).then(([unpacked]) => { figures = unpacked; return drawAll(); }).catch((error) => {
  get("trouble").hidden = false;
  get("trouble").textContent = `The figures cannot be shown by this browser (${error.message}); a browser of 2023 or later can.`;
});
