// Sort a table.cmp by a click on its head: up, down, then the paper's own order again. Also by Enter and Space.
const value = (row, place) => {
  const text = row.cells[place].textContent.trim().replace(/\u2212/g, "-").replace(/,/g, "");
  const found = parseFloat(text);
  return Number.isNaN(found) ? text : found;
};
const compare = (a, b) => (typeof a === typeof b ? (a > b) - (a < b) : typeof a === "number" ? -1 : 1);
document.querySelectorAll("table.cmp").forEach((table) => {
  const body = table.tBodies[0];
  const original = [...body.rows];
  table.querySelectorAll("thead th").forEach((head, place) => {
    let state = 0;
    head.tabIndex = 0;
    head.title = "sort";
    const sort = () => {
      state = (state + 1) % 3;
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      const rows = [...original];
      if (state) rows.sort((a, b) => (state === 1 ? 1 : -1) * compare(value(a, place), value(b, place)));
      if (state) head.setAttribute("aria-sort", state === 1 ? "ascending" : "descending");
      body.append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });
});
