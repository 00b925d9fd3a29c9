"use strict";
// Tables that sort by a click on a header and filter by words. Without it they are plain tables.
(function () {
  const FEWEST = 8; // rows below which nobody needs a filter

  function number(text) {
    const plain = text.replace(/[\s\u2009\u202f]/g, "").replace("\u2212", "-");
    return plain === "" || plain === "\u2013" ? NaN : Number(plain);
  }

  function compare(column, isText, sign) {
    return function (a, b) {
      const x = a.cells[column].textContent.trim(), y = b.cells[column].textContent.trim();
      if (isText) return sign * x.localeCompare(y, "en", { numeric: true });
      const p = number(x), q = number(y);
      if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q); // without a number: last, either way
      return sign * (p - q);
    };
  }

  function sortable(table) {
    const heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
    heads.forEach(function (head, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", function () {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const order = compare(column, head.classList.contains("text"), down ? -1 : 1);
        body.append(...Array.from(body.rows).sort(order));
      });
    });
  }

  function filterable(table) {
    const rows = Array.from(table.tBodies[0].rows);
    if (rows.length < FEWEST) return;
    const label = document.createElement("label"), box = document.createElement("input");
    const told = document.createElement("span");
    label.className = "filter";
    box.type = "search";
    told.setAttribute("role", "status");
    label.append("Filter", box, told);
    table.parentElement.before(label);
    box.addEventListener("input", function () {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach(function (row) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      });
      told.textContent = words.length ? shown + " of " + rows.length : "";
    });
  }

  document.querySelectorAll("table.data").forEach(function (table) {
    sortable(table);
    filterable(table);
  });
})();
