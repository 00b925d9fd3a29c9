// What the page shows of the chosen object.
"use strict";
const byId = (name) => document.getElementById(name);
const state = { at: 0, z: 0, kind: "", smooth: 0, smoothChosen: false, arrays: null, strip: 0 };
const models = {};

function model(name) {
  if (!(name in models)) {
    models[name] = null;
    for (const doc of Bokeh.documents) models[name] = models[name] || doc.get_model_by_name(name);
  }
  return models[name];
}
function fill(name, data) { const source = model(name); if (source) source.data = data; }
function setRange(range, start, end) {
  if (range && isFinite(start) && isFinite(end) && start !== end) range.setv({ start, end, reset_start: start, reset_end: end });
}
function element(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

// A Gaussian of `sigma` pixels, by inverse variance where the errors are known, and its error.
function smoothed(flux, error, sigma) {
  if (!sigma) return [flux, error];
  const half = Math.ceil(3 * sigma), out = [new Float64Array(flux.length), error && new Float64Array(flux.length)], kernel = [];
  for (let k = -half; k <= half; k++) kernel.push(Math.exp(-0.5 * (k / sigma) ** 2));
  for (let i = 0; i < flux.length; i++) {
    let sum = 0, weight = 0, variance = 0;
    for (let k = -half; k <= half; k++) {
      const j = i + k, v = flux[j];
      if (v === undefined || !isFinite(v)) continue;
      const w = kernel[k + half] * (error ? (error[j] > 0 ? 1 / error[j] ** 2 : 0) : 1);
      sum += w * v; weight += w;
      if (w) variance += (w * error?.[j]) ** 2;
    }
    out[0][i] = weight > 0 ? sum / weight : NaN;
    if (error) out[1][i] = weight > 0 ? Math.sqrt(variance) / weight : NaN;
  }
  return out;
}
// A signal-to-noise ratio of 2 in what is shown, but lines of some pixels must not drown.
function smoothing(flux, error) {
  if (!error) return 0;
  const [ratio] = quantiles(flux.map((v, i) => Math.abs(v) / error[i]), [0.5]);
  const sigma = ratio > 0 ? (2 / ratio) ** 2 / (2 * Math.sqrt(Math.PI)) : 0;
  return sigma < 1 ? 0 : Math.min(Math.round(sigma), 4);
}
function setSmooth(sigma) { state.smooth = sigma; byId("smooth").value = sigma; byId("smoothed").textContent = sigma; }
// A point without a value in each gap of the wavelengths: no line is drawn over it.
function broken(x, y) {
  const steps = quantiles(x.slice(1).map((w, i) => w / x[i] - 1), [0.5])[0], at = [], value = [];
  for (let i = 0; i < x.length; i++) {
    if (i && x[i] / x[i - 1] - 1 > 8 * steps) { at.push((x[i] + x[i - 1]) / 2); value.push(NaN); }
    at.push(x[i]); value.push(y[i]);
  }
  return { x: at, y: value };
}
function quantiles(values, shares) {
  const good = Array.from(values).filter(isFinite).sort((a, b) => a - b);
  return shares.map((s) => good[Math.min(good.length - 1, Math.floor(s * good.length))]);
}

function drawSpectrum(fit) {
  const a = state.arrays, [flux, error] = smoothed(a.flux, a.error, state.smooth);
  fill("flux", broken(a.wave, flux));
  fill("raw", state.smooth ? broken(a.wave, a.flux) : { x: [], y: [] });
  fill("error", error && byId("error").checked ? broken(a.wave, error) : { x: [], y: [] });
  if (fit) { fitFlux(); fitWavelength(); }
  drawModel();
}
function fitFlux() {
  const a = state.arrays, whole = byId("whole").checked;
  let [low, high] = whole ? quantiles(a.flux, [0, 1]) : quantiles(smoothed(a.flux, a.error, Math.max(state.smooth, 2))[0], [0.004, 0.997]);
  if (low === undefined) return;
  const step = (high - low) || Math.abs(high) || 1;
  low = low > 0 && low < 0.5 * high ? 0 : low - 0.1 * step;
  setRange(model("spectrum").y_range, low, high + 0.25 * step);
}
function fitWavelength() {
  const good = state.arrays.wave.filter((w, i) => isFinite(state.arrays.flux[i]));
  if (good.length) setRange(model("spectrum").x_range, good[0] - 0.01 * (good.at(-1) - good[0]), good.at(-1) + 0.01 * (good.at(-1) - good[0]));
}

// The object's own model, or the class's template at the redshift shown, over the local continuum.
function drawModel() {
  const a = state.arrays, chosen = byId("overlay") && byId("overlay").checked, template = templateOf(state.kind);
  let x = [], y = [];
  if (chosen && a.overlay) ({ wave: x, values: y } = a.overlay);
  else if (chosen && template) {
    const range = model("spectrum").y_range, size = 0.15 * ((range.reset_end ?? range.end) - (range.reset_start ?? range.start));
    a.level = a.level || continuum(a.wave, a.flux);
    let at = 0;
    for (let i = 0; i < template.wave.length; i++) {
      const w = template.wave[i] * (1 + state.z);
      while (at < a.wave.length - 1 && a.wave[at] < w) at++;
      if (w < a.wave[0] || w > a.wave.at(-1)) continue;
      x.push(w); y.push(a.level[at] + size * template.values[i]);
    }
  }
  fill("overlay", { x, y });
}
// Medians of 25 stretches of the spectrum, straight between their middles.
function continuum(wave, flux) {
  const n = Math.max(2, Math.ceil(flux.length / 25)), at = [], level = [], out = new Float64Array(flux.length);
  for (let i = 0; i < flux.length; i += n) {
    const [middle] = quantiles(flux.slice(i, i + n), [0.5]);
    if (middle !== undefined) { at.push(i + n / 2); level.push(middle); }
  }
  for (let i = 0, k = 0; i < out.length; i++) {
    while (k < at.length - 2 && i > at[k + 1]) k++;
    const share = at.length > 1 ? Math.max(0, Math.min(1, (i - at[k]) / (at[k + 1] - at[k]))) : 0;
    out[i] = at.length ? level[k] + (at.length > 1 ? share * (level[k + 1] - level[k]) : 0) : NaN;
  }
  return out;
}

function drawLines() {
  const { x_range: range, y_range: height } = model("spectrum"), wave = state.arrays.wave, found = { x: [], name: [], y: [], colour: [] };
  // Names stand in three rows; one that would lie on another in each of them is left out.
  const perPixel = Math.abs(range.end - range.start) / Math.max(byId("plot-spectrum").clientWidth - 70, 100), last = Array(3).fill(-Infinity);
  const known = Object.entries(PAGE.kinds[state.kind] || Object.values(PAGE.kinds)[0] || {}).sort((a, b) => a[1] - b[1]);
  if (byId("lines").checked) {
    for (const [name, rest] of known) {
      const at = rest * (1 + state.z);
      if (at < wave[0] || at > wave.at(-1)) continue;
      const row = last.findIndex((x) => at - x > 14 * perPixel);
      if (row >= 0 && at >= range.start && at <= range.end) last[row] = at;
      found.x.push(at); found.name.push(row < 0 ? "" : name); found.y.push(height.start + (0.99 - 0.2 * Math.max(row, 0)) * (height.end - height.start));
      found.colour.push(dark.matches ? "#7cc4f0" : "#0072B2");
    }
  }
  fill("lines", found);
  const rest = model("spectrum").extra_x_ranges.get ? model("spectrum").extra_x_ranges.get("rest") : model("spectrum").extra_x_ranges.rest;
  rest.setv({ start: range.start / (1 + state.z), end: range.end / (1 + state.z) });
}

function drawStrip() {
  const strip = state.arrays.strips[state.strip], pos = { x: [], y1: [], y2: [] }, neg = { x: [], y1: [], y2: [] };
  if (strip) {
    const nothing = new Float64Array(strip.wave.length);
    Object.assign(pos, { x: strip.wave, y1: nothing, y2: strip.values.map((v) => Math.max(v, 0)) });
    Object.assign(neg, { x: strip.wave, y1: nothing, y2: strip.values.map((v) => Math.min(v, 0)) });
    const low = Math.min(...neg.y2), high = Math.max(...pos.y2);
    setRange(model("strip") && model("strip").y_range, 1.05 * low, 1.05 * high || 1);
  }
  fill("for", pos); fill("against", neg);
  if (byId("strip-words")) byId("strip-words").textContent = strip ? PAGE.stripWords[strip.name] || "" : "not known of this object";
}

function drawPdf(fit) {
  const one = PAGE.objects[state.at], plot = model("pdf");
  if (!plot) return;
  fill("here", { x: [state.z] });
  if (!fit) return;
  const pdf = state.arrays.pdf, z = pdfZ(), top = Math.max(0.01, ...(pdf || []));
  fill("density", pdf ? { x: z, y1: new Float64Array(z.length), y2: pdf } : { x: [], y1: [], y2: [] });
  const height = (at) => {
    let most = 0.04 * top;
    for (let i = 0; pdf && i < z.length; i++) if (Math.abs(z[i] - at) < 0.003 * (1 + at)) most = Math.max(most, pdf[i]);
    return most;
  };
  fill("solutions", { x: one.solutions.map((s) => s.z), y: one.solutions.map((s) => height(s.z)), label: one.solutions.map((s) => s.label) });
  setRange(plot.x_range, Math.min(0, z[0]) - 0.01, z.at(-1));
  setRange(plot.y_range, 0, 1.15 * top);
}

function drawPlaces() {
  PAGE.diagrams.forEach((name, k) => {
    const p = PAGE.objects[state.at].places[name], bars = { x0: [], y0: [], x1: [], y1: [] };
    const known = p && p.x !== null && p.y !== null;
    if (known) for (const [dx, dy] of [[p.dx, 0], [0, p.dy]]) {
      if (dx || dy) { bars.x0.push(p.x - dx); bars.x1.push(p.x + dx); bars.y0.push(p.y - dy); bars.y1.push(p.y + dy); }
    }
    fill(`diagram${k}-place`, known ? { x: [p.x], y: [p.y] } : { x: [], y: [] });
    fill(`diagram${k}-bars`, bars);
    byId("placeless" + k).hidden = known;
  });
}

function setZ(z, from) {
  if (!isFinite(z) || z <= -0.9) return;
  state.z = z;
  if (from !== "fine") { state.base = z; byId("zfine").value = 0; }
  if (from !== "slider") byId("zslider").value = Math.log(1 + z);
  if (from !== "number") byId("z").value = z.toFixed(5);
  drawLines(); drawModel(); drawPdf(false);
}
function setKind(kind) { state.kind = kind in PAGE.kinds ? kind : Object.keys(PAGE.kinds)[0]; byId("kind").value = state.kind; drawLines(); drawModel(); }
function take(solution) { setKind(solution.kind); setZ(solution.z); }
function restore() { const one = PAGE.objects[state.at]; setKind(one.kind); setZ(one.z || 0); }

function tell() {
  const one = PAGE.objects[state.at], flags = byId("flags"), numbers = byId("numbers");
  byId("headline").textContent = one.headline;
  flags.replaceChildren(); numbers.replaceChildren();
  for (const [name, words] of one.flags) {
    const item = element("li", "", flags);
    element("b", name, item); item.append(words ? ": " + words : "");
  }
  if (!one.flags.length) element("li", "none", flags).className = "none";
  for (const [name, value, words] of one.numbers) {
    const row = element("tr", "", numbers), cell = element("td", name, row);
    if (words) element("small", words, cell);
    element("td", value, row);
  }
  if (byId("solutions")) {
    byId("solutions").replaceChildren();
    for (const s of one.solutions) element("button", s.label, byId("solutions")).onclick = () => take(s);
  }
  const strips = byId("strip");
  if (strips) {
    strips.replaceChildren();
    state.arrays.strips.forEach((s, k) => { element("option", s.name, strips).value = k; });
    state.strip = Math.min(state.strip, Math.max(state.arrays.strips.length - 1, 0));
    strips.value = state.strip; strips.hidden = state.arrays.strips.length < 2;
  }
}

// An address may end in #ID: reports link their failures so.
function named() {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch { /* no escape: taken as it is */ }
  return PAGE.objects.findIndex((one) => one.id === id);
}

function show(at) {
  state.at = Math.max(0, Math.min(PAGE.objects.length - 1, at));
  const one = PAGE.objects[state.at];
  state.arrays = arraysOf(state.at);
  byId("jump").value = state.at;
  if (!state.smoothChosen) setSmooth(smoothing(state.arrays.flux, state.arrays.error));
  tell(); drawSpectrum(true); restore(); drawStrip(); drawPdf(true); drawPlaces(); showVerdict();
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const ink = colour("--ink"), paper = colour("--paper"), line = colour("--line");
  for (const name of ["spectrum", "strip", "pdf", ...PAGE.diagrams.map((_, k) => "diagram" + k)]) {
    const plot = model(name);
    if (!plot) continue;
    plot.setv({ background_fill_color: paper, border_fill_color: paper, outline_line_color: line });
    for (const part of [...plot.above, ...plot.below, ...plot.left, ...plot.right]) if (part.type.endsWith("Axis"))
      part.setv({ axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: ink, major_tick_line_color: ink, minor_tick_line_color: ink, axis_label_text_font_style: "normal" });
    for (const part of plot.center) if (part.type === "Grid") part.setv({ grid_line_color: line });
  }
  model("flux-line").glyph.line_color = { value: colour("--flux") };
  model("line-names").glyph.background_fill_color = { value: paper };
  if (state.arrays) drawLines();
}

async function begin() {
  const drawn = JSON.parse(byId("drawn").textContent);
  await Promise.all(Object.entries(drawn).map(([name, item]) => Bokeh.embed.embed_item(item, "plot-" + name)));
  PAGE.objects.forEach((one, k) => { element("option", `${k + 1}  ${one.id}`, byId("jump")).value = k; });
  for (const kind of Object.keys(PAGE.kinds)) element("option", kind, byId("kind")).value = kind;
  const slider = byId("zslider");
  slider.min = Math.log(1 + PAGE.zRange[0]); slider.max = Math.log(1 + PAGE.zRange[1]);
  slider.step = (slider.max - slider.min) / 20000;
  slider.oninput = () => setZ(Math.exp(+slider.value) - 1, "slider");
  byId("zfine").oninput = () => setZ((1 + state.base) * (1 + +byId("zfine").value) - 1, "fine");
  byId("z").oninput = () => setZ(parseFloat(byId("z").value), "number");
  byId("smooth").oninput = () => { state.smoothChosen = true; setSmooth(+byId("smooth").value); drawSpectrum(false); };
  byId("kind").onchange = () => setKind(byId("kind").value);
  for (const name of ["error", "overlay"]) if (byId(name)) byId(name).onchange = () => drawSpectrum(false);
  byId("lines").onchange = drawLines;
  byId("restore").onclick = restore;
  if (byId("strip")) byId("strip").onchange = () => { state.strip = +byId("strip").value; drawStrip(); };
  byId("jump").onchange = () => show(+byId("jump").value);
  byId("previous").onclick = () => show(state.at - 1);
  byId("next").onclick = () => show(state.at + 1);
  for (const range of [model("spectrum").x_range, model("spectrum").y_range])
    range.connect(range.change, () => { if (state.arrays) drawLines(); });
  byId("whole").onchange = () => { fitFlux(); drawModel(); };
  if (model("pdf")) model("pdf").on_event("tap", (event) => {
    const width = Math.abs(model("pdf").x_range.end - model("pdf").x_range.start), one = PAGE.objects[state.at];
    const near = one.solutions.filter((s) => Math.abs(s.z - event.x) < 0.015 * width).sort((a, b) => Math.abs(a.z - event.x) - Math.abs(b.z - event.x));
    near.length ? take(near[0]) : setZ(event.x);
  });
  dark.addEventListener("change", paint);
  beginVerdicts();
  window.addEventListener("hashchange", () => { if (named() >= 0) show(named()); });
  paint(); show(Math.max(named(), 0));
  document.documentElement.dataset.ready = "yes";
}
