"use strict";
// Tables that can be sorted and searched. Of thousands of rows only those are in the document that were asked for.

const ROWS = 15;

/**
 * @template Row
 * @param {{
 *   name: string, rows: Row[], columns: Column<Row>[], sorted?: number, ascending?: boolean,
 *   text?: (row: Row) => string, empty?: string,
 * }} options `sorted` is the column to begin with, `text` what a search looks in
 * @returns {HTMLElement}
 */
function table({ name, rows, columns, sorted = -1, ascending = false, text, empty = "None." }) {
  if (!rows.length) return make("p", { class: "quiet" }, empty);
  let shown = ROWS;
  let found = rows;
  const body = make("tbody");
  const status = make("p", { class: "quiet", role: "status" });
  const more = make("button", { type: "button" }, "Show more");
  const heads = columns.map((column, number) => {
    const button = make("button", { type: "button", class: "sort" }, column.title);
    button.addEventListener("click", () => {
      ascending = sorted === number ? !ascending : !column.numeric;
      sorted = number;
      draw();
    });
    return make("th", { scope: "col", class: column.numeric ? "number" : "" }, button);
  });
  const field = make("input", { type: "search", "aria-label": `Search in ${name}`, placeholder: "Search" });
  const input = /** @type {HTMLInputElement} */ (field);

  function draw() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = text && words.length ? rows.filter((row) => {
      const within = text(row).toLowerCase();
      return words.every((word) => within.includes(word));
    }) : rows.slice();
    if (sorted >= 0) {
      const value = columns[sorted].value;
      found.sort((one, other) => {
        const [a, b] = [value(one), value(other)];
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return ascending ? order : -order;
      });
    }
    heads.forEach((head, number) => {
      if (number === sorted) head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(...found.slice(0, shown).map((row) => make("tr", {}, ...columns.map((column) => {
      const cell = make("td", { class: `${column.numeric ? "number" : ""} ${column.wide ? "wide" : ""}`.trim() });
      cell.append(column.show ? column.show(row) : String(column.value(row)));
      return cell;
    }))));
    status.textContent = found.length > shown ? `${count(shown)} of ${count(found.length)}`
      : !found.length ? "Nothing matches." : words.length ? `${count(found.length)} found` : "";
    more.hidden = found.length <= shown;
  }

  input.addEventListener("input", () => {
    shown = ROWS;
    draw();
  });
  more.addEventListener("click", () => {
    shown = shown < 100 ? 100 : shown * 4;
    draw();
  });
  draw();
  const head = make("thead", {}, make("tr", {}, ...heads));
  const grid = make("table", columns.some((column) => column.wide) ? {} : { class: "narrow" }, make("caption", { class: "hidden" }, name), head, body);
  const scroll = make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": `Table: ${name}` }, grid);
  const tools = text && rows.length > 5 ? [make("div", { class: "tools" }, field)] : [];
  return make("div", { class: "table" }, ...tools, scroll, make("div", { class: "tools below" }, status, more));
}
