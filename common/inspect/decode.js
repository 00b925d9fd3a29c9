// The arrays of a page, decoded when an object is looked at: the other half of pack.py.
"use strict";
const HALVES = (() => {
  const table = new Float32Array(65536);
  for (let i = 0; i < 65536; i++) {
    const sign = i & 0x8000 ? -1 : 1, e = (i >> 10) & 31, m = i & 1023;
    table[i] = e === 31 ? (m ? NaN : sign * Infinity)
      : sign * (e ? 2 ** (e - 15) * (1 + m / 1024) : 2 ** -14 * (m / 1024));
  }
  return table;
})();

function bytesOf(text) {
  const raw = atob(text.trim()), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

const grids = new Map();
function gridOf(number) {
  if (!grids.has(number)) {
    const g = PAGE.grids[number];
    let wave;
    if (g.data) wave = Float64Array.from(new Float32Array(bytesOf(g.data).buffer));
    else {
      wave = new Float64Array(g.n);
      for (let i = 0; i < g.n; i++) wave[i] = g.log ? 10 ** (g.first + i * g.step) : g.first + i * g.step;
    }
    grids.set(number, wave);
  }
  return grids.get(number);
}

function arraysOf(number) {
  const about = PAGE.objects[number].arrays;
  const bytes = bytesOf(document.getElementById("a" + number).textContent);
  let at = 0;
  const take = (n, width, read) => {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++, at += width) out[i] = read(bytes, at);
    return out;
  };
  const half = (b, i) => about.scale * HALVES[b[i] | (b[i + 1] << 8)];
  const wave = gridOf(about.grid), n = wave.length;
  const found = { wave, flux: take(n, 2, half), error: null, overlay: null, strips: [], pdf: null };
  if ("error" in about)
    found.error = take(n, 1, (b, i) => b[i] ? about.error * Math.exp(PAGE.errorStep * (b[i] - 1)) : NaN);
  if ("overlay" in about) {
    const own = gridOf(about.overlay);
    found.overlay = { wave: own, values: take(own.length, 2, half) };
  }
  for (const s of about.strips) {
    const own = gridOf(s.grid);
    found.strips.push({ name: s.name, wave: own,
      values: take(own.length, 1, (b, i) => s.most * signedByte(b, i)) });
  }
  if ("pdf" in about) found.pdf = take(pdfZ().length, 1, (b, i) => about.pdf * (b[i] / 255) ** 2);
  return found;
}

const signedByte = (b, i) => ((b[i] << 24) >> 24) / 127;
const templates = new Map();
function templateOf(kind) {
  const own = PAGE.templates[kind];
  if (own && !templates.has(kind)) {
    const bytes = bytesOf(own.data);
    templates.set(kind, { wave: gridOf(own.grid), values: Float64Array.from(bytes, (_, i) => signedByte(bytes, i)) });
  }
  return templates.get(kind);
}

let redshifts = null;
function pdfZ() {
  if (!redshifts) redshifts = Float64Array.from(new Float32Array(bytesOf(PAGE.pdfZ).buffer));
  return redshifts;
}
