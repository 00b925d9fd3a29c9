// The inspector's verdicts: kept in the browser, exported as CSV; and the keys.
"use strict";
const KEY = "inspect: " + PAGE.key;
let verdicts = {};
try { verdicts = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { verdicts = {}; }

function keep() {
  try { localStorage.setItem(KEY, JSON.stringify(verdicts)); } catch { /* no storage: until the page is closed */ }
  const done = PAGE.objects.filter((one) => verdicts[one.id]).length;
  byId("count").textContent = `${state.at + 1} of ${PAGE.objects.length}, ${done} judged`;
}
const qualityOf = () => { const chosen = document.querySelector("input[name=quality]:checked"); return chosen ? chosen.value : ""; };

function showVerdict() {
  const own = verdicts[PAGE.objects[state.at].id] || {};
  if (byId("v-class")) byId("v-class").value = own.class || "";
  if (byId("v-z")) byId("v-z").value = own.z ?? "";
  byId("v-comment").value = own.comment || "";
  for (const radio of document.querySelectorAll("input[name=quality]")) radio.checked = radio.value === own.quality;
  keep();
}
function noteVerdict() {
  const own = {
    class: byId("v-class") ? byId("v-class").value : "", z: byId("v-z") ? byId("v-z").value : "",
    quality: qualityOf(), comment: byId("v-comment").value, when: new Date().toISOString(),
  };
  const id = PAGE.objects[state.at].id;
  if (own.class || own.z || own.quality || own.comment) verdicts[id] = own; else delete verdicts[id];
  keep();
}
function takeShown() {
  if (byId("v-class")) byId("v-class").value = state.kind;
  if (byId("v-z")) byId("v-z").value = +state.z.toFixed(6);
  noteVerdict();
}
function judge(quality) {
  document.querySelector(`input[name=quality][value="${quality}"]`).checked = true;
  const empty = (!byId("v-class") || !byId("v-class").value) && (!byId("v-z") || !byId("v-z").value);
  if (empty && +quality > 0) takeShown(); else noteVerdict();
}

function csv() {
  const cell = (value) => { const text = String(value ?? ""); return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text; };
  const rows = [PAGE.columns.join(",")];
  for (const one of PAGE.objects) {
    const own = verdicts[one.id];
    if (!own) continue;
    const all = { id: one.id, file: one.file, ...own, class_network: one.kind, z_network: one.z };
    rows.push(PAGE.columns.map((name) => cell(all[name])).join(","));
  }
  return rows.join("\r\n") + "\r\n";
}
function exportVerdicts() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "inspected.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const KEYS = {
  ArrowRight: () => show(state.at + 1), n: () => show(state.at + 1),
  ArrowLeft: () => show(state.at - 1), p: () => show(state.at - 1),
  t: takeShown, r: restore, f: () => byId("whole").click(), e: exportVerdicts,
};
function onKey(event) {
  const tag = event.target.tagName, type = event.target.type;
  const typing = tag === "TEXTAREA" || tag === "SELECT" || (tag === "INPUT" && type !== "checkbox");
  if (typing && event.key === "Escape") event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || (typing && (type !== "radio" || event.key.startsWith("Arrow")))) return;
  if (/^[0-4]$/.test(event.key)) judge(event.key);
  else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
}

function beginVerdicts() {
  if (byId("v-class")) for (const kind of ["", ...Object.keys(PAGE.kinds)]) element("option", kind || "–", byId("v-class")).value = kind;
  for (const name of ["v-class", "v-z", "v-comment"]) if (byId(name)) byId(name).addEventListener("input", noteVerdict);
  for (const radio of document.querySelectorAll("input[name=quality]")) radio.addEventListener("change", () => judge(radio.value));
  if (byId("take")) byId("take").onclick = takeShown;
  byId("clear").onclick = () => { delete verdicts[PAGE.objects[state.at].id]; showVerdict(); };
  byId("export").onclick = exportVerdicts;
  document.addEventListener("keydown", onKey);
}
begin();
