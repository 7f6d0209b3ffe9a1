"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer;
const [box, list, count, over] = ["map", "list", "count", "over"].map((id) => document.getElementById(id));
const n = D.names.length, per = D.sheet * D.sheet, LISTED = 100;
const near = new Int32Array(bytes(D.near));
const layouts = Object.fromEntries(Object.entries(D.layouts).map(([name, text]) => {
  const at = new Float32Array(bytes(text));
  return [name, { x: at.filter((_, i) => i % 2 === 0), y: at.filter((_, i) => i % 2 === 1) }];
}));
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d31", "#393b79", "#e7298a", "#66a61e",
  "#1b9e77", "#7570b3", "#a6761d", "#843c39", "#00bcd4", "#b15928", "#5254a3", "#637939", "#ad494a", "#7f7f7f"];
const pictures = D.sheets.map((uri) => { const picture = new Image(); picture.src = uri; return picture; });
let at = layouts[Object.keys(layouts)[0]], chosen = -1;

// --- the plot ----------------------------------------------------------------------------------------------------

const P = Bokeh.Plotting;
const source = new Bokeh.ColumnDataSource({ data: { x: at.x, y: at.y, c: new Array(n).fill(PALETTE[0]) } });
const marks = new Bokeh.ColumnDataSource({ data: { x: [], y: [], c: [] } });
const figure = P.figure({
  output_backend: "webgl", sizing_mode: "stretch_both", tools: "pan,wheel_zoom,box_zoom,lasso_select,reset", toolbar_location: "above",
  x_range: new Bokeh.Range1d({ start: -1, end: 1 }), y_range: new Bokeh.Range1d({ start: -1, end: 1 }),
  active_drag: "pan", active_scroll: "wheel_zoom", outline_line_color: null, lod_threshold: null,
});
figure.toolbar.logo = null;
for (const part of [figure.xaxis, figure.yaxis, figure.xgrid, figure.ygrid]) part.visible = false;
const points = figure.scatter({ field: "x" }, { field: "y" }, {
  source, size: n > 5000 ? 4 : 7, fill_color: { field: "c" }, line_color: null, fill_alpha: 0.8, nonselection_fill_alpha: 0.1,
});
figure.scatter({ field: "x" }, { field: "y" }, { source: marks, size: 14, fill_color: null, line_color: { field: "c" }, line_width: 2.5 });

/** Both axes equally long in their unit, whatever the window's shape. */
function fit() {
  const wide = Math.max(0.2, box.clientWidth / box.clientHeight), reach = 1.08;
  const [x, y] = wide > 1 ? [reach * wide, reach] : [reach, reach / wide];
  for (const [range, end] of [[figure.x_range, x], [figure.y_range, y]]) range.setv({ start: -end, end, reset_start: -end, reset_end: end });
}

/** Pixels of a unit of either axis. */
function scale() {
  return [figure.inner_width / (figure.x_range.end - figure.x_range.start),
    figure.inner_height / (figure.y_range.end - figure.y_range.start)];
}

/** The place in the plot under a pointer event, in pixels of every point's distance to it: the nearest within 20 px, else -1. */
function under(event) {
  const [kx, ky] = scale();
  let best = -1, least = 400;
  for (let i = 0; i < n; i++) {
    const a = kx * (at.x[i] - event.x), b = ky * (at.y[i] - event.y), q = a * a + b * b;
    if (q < least) { least = q; best = i; }
  }
  return best;
}

// A drag moves the picture that is drawn; it is drawn anew when the pointer rests, and at the end: without a GPU 50,000
// points take many frames to draw (docs/adr/0011-map-script.md).
const RESTS = 150; // ms
let view = null, drawn = null, rest = 0; // drawn: the ranges of the picture while a drag moves it, else null
const picture = () => view.canvas_view.primary.el;
function ranges() { return { x: figure.x_range.start, y: figure.y_range.start, wide: figure.x_range.end - figure.x_range.start }; }
function slide() {
  if (!drawn || !view) return;
  const now = ranges(), [kx, ky] = scale();
  if (Math.abs(now.wide - drawn.wide) > 1e-9 * now.wide) { drawn = null; return; } // the box zoomed
  figure.hold_render = true;
  picture().style.transform = `translate(${kx * (drawn.x - now.x)}px, ${ky * (now.y - drawn.y)}px)`;
  clearTimeout(rest); rest = setTimeout(draw, RESTS);
}
function draw() {
  clearTimeout(rest);
  if (!figure.hold_render) return;
  figure.setv({ hold_render: false }, { silent: true }); // aloud it would be drawn twice
  view.repaint();
  picture().style.transform = "";
  if (drawn) drawn = ranges();
}
figure.on_event("panstart", () => { drawn = ranges(); over.hidden = true; });
figure.on_event("panend", () => { drawn = null; draw(); });
for (const range of [figure.x_range, figure.y_range]) range.change.connect(slide);

function ring(items, colour) { return items.map((i) => [at.x[i], at.y[i], colour]); }
function mark(rings) {
  marks.data = { x: rings.map((r) => r[0]), y: rings.map((r) => r[1]), c: rings.map((r) => r[2]) };
}

// --- pictures and lists ------------------------------------------------------------------------------------------

function stamp(canvas, i, side) {
  canvas.width = canvas.height = side;
  const place = i % per, s = D.side, picture = pictures[Math.floor(i / per)];
  const draw = () => canvas.getContext("2d").drawImage(
    picture, (place % D.sheet) * s, Math.floor(place / D.sheet) * s, s, s, 0, 0, side, side);
  picture.complete ? draw() : picture.addEventListener("load", draw, { once: true });
}
function rows(items) {
  list.replaceChildren(...items.slice(0, LISTED).map((i) => {
    const [row, small, name] = ["button", "canvas", "span"].map((kind) => document.createElement(kind));
    row.className = "row"; stamp(small, i, D.side);
    name.textContent = D.names[i]; row.append(small, name); row.onclick = () => choose(i);
    return row;
  }));
}
function say(items, words) {
  count.textContent = `${items.length.toLocaleString("en")} ${words}${items.length > LISTED ? `, ${LISTED} listed` : ""}`;
  rows(items);
}
function choose(i) {
  chosen = i;
  if (i < 0) { count.textContent = ""; rows([]); mark([]); return; }
  const others = Array.from(near.subarray(i * D.k, (i + 1) * D.k));
  count.textContent = "The image, and its nearest:";
  rows([i, ...others]); mark([...ring(others, "#009e73"), ...ring([i], "#d55e00")]);
}
function search(word) {
  const hits = word ? [...Array(n).keys()].filter((i) => D.names[i].toLowerCase().includes(word.toLowerCase())) : [];
  chosen = -1; mark(ring(hits.slice(0, 2000), "#000000"));
  word ? say(hits, "images") : choose(-1);
}
function colour(name) {
  const { of, names } = D.colourings[name], each = new Uint16Array(bytes(of));
  const counts = new Array(names.length).fill(0);
  each.forEach((place) => counts[place]++);
  source.data = { ...source.data, c: Array.from(each, (place) => PALETTE[place % PALETTE.length]) };
  document.getElementById("legend").replaceChildren(...names.map((label, place) => {
    const item = document.createElement("li"), dot = document.createElement("i");
    dot.style.background = PALETTE[place % PALETTE.length]; item.title = `${label} (${counts[place].toLocaleString("en")})`; item.append(dot, item.title);
    return item;
  }));
}
function lay(name) {
  at = layouts[name]; source.data = { ...source.data, x: at.x, y: at.y };
  chosen >= 0 ? choose(chosen) : search(document.getElementById("search").value);
}

// --- what the reader does ----------------------------------------------------------------------------------------

function options(id, names, change) {
  const select = document.getElementById(id);
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  select.onchange = () => change(select.value);
}
options("layout", Object.keys(layouts), lay);
options("colouring", Object.keys(D.colourings), colour);
document.getElementById("search").oninput = (event) => search(event.target.value.trim());
figure.on_event("tap", (event) => choose(under(event)));
figure.on_event("mousemove", (event) => {
  if (drawn) return;
  const i = under(event);
  over.hidden = i < 0;
  if (i < 0) return;
  const frame = box.getBoundingClientRect();
  stamp(over.firstElementChild, i, Math.max(96, D.side)); over.lastElementChild.textContent = D.names[i];
  over.style.left = `${Math.min(frame.left + event.sx + 12, innerWidth - over.offsetWidth - 4)}px`;
  over.style.top = `${Math.min(frame.top + event.sy + 12, innerHeight - over.offsetHeight - 4)}px`;
});
figure.on_event("mouseleave", () => { over.hidden = true; });
source.selected.change.connect(() => {
  if (source.selected.indices.length) { mark([]); say(Array.from(source.selected.indices), "images in the lasso"); }
});
fit(); addEventListener("resize", fit);
colour(Object.keys(D.colourings)[0]);
P.show(figure, box).then((shown) => { view = shown; picture().style.willChange = "transform"; box.dataset.ready = "yes"; });
