// What the pages do beyond the theme, without a network. Without this script every table shows whole and every figure shows.
// Tables marked data-browse: a search field, a choice or a least value for marked columns, an order by any column, PAGE rows at a time;
// the address keeps the filters: items.html#system=eqsr-dpo&emotion=fear. Other tables: an order by any column. All: a CSV file; figures: an SVG file.
const PAGE = 50;

function label(text, control) {
  const wrap = document.createElement("label");
  wrap.append(text + " ", control);
  return wrap;
}

// Makes a button of each head; a press gives `apply` a comparison of two cells in the new direction, empty cells last.
function orderBy(heads, names, apply) {
  heads.forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: names[column], title: "order by this column" });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      apply((a, b, number) => (a === "") - (b === "") || (down ? -1 : 1) * (number ? Number(a) - Number(b) : a.localeCompare(b)), column);
    });
  });
}

// A table of a chapter: ordered by the number with which cells begin where most of a column's do, else by text.
function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  if (heads.some((head) => head.colSpan > 1 || !head.textContent.trim()) || rows.some((row) => row.cells.length !== heads.length)) return;
  const text = (row, column) => row.cells[column].textContent.trim(), number = (row, column) => text(row, column).replace("−", "-").match(/^[-+]?[\d,]*\.?\d+/)?.[0].replaceAll(",", "") ?? "";
  orderBy(heads, heads.map((head) => head.textContent.trim()), (compare, column) => {
    const numbers = rows.filter((row) => number(row, column) !== "").length > rows.length / 2, cell = numbers ? number : text;
    body.replaceChildren(...[...rows].sort((a, b) => compare(cell(a, column), cell(b, column), numbers)));
  });
}

function link(text, href, download) {
  const element = Object.assign(document.createElement("a"), { textContent: text, href, download });
  element.className = "companion-download";
  return element;
}

// A cell as CSV has it; what a spreadsheet would compute becomes text.
function csv(cell) {
  const text = cell.textContent.trim(), safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function downloads(main) {
  const page = DOCUMENTATION_OPTIONS.pagename.split("/").pop();
  main.querySelectorAll("table.companion").forEach((table, number) => {
    const get = link("CSV", "#", `${page}-table-${number + 1}.csv`), all = [...table.rows];
    get.addEventListener("click", () => { // made when it is asked for
      get.href = URL.createObjectURL(new Blob(["\ufeff" + all.map((row) => [...row.cells].map(csv).join(",")).join("\n")], { type: "text/csv" }));
    });
    table.after(get);
  });
  const records = `${document.documentElement.dataset.content_root}_static/records/${page}.csv`;
  main.querySelectorAll("img[src$='.svg']").forEach((image, number) => {
    const line = document.createElement("p");
    line.append(link("SVG", image.src, `${page}-figure-${number + 1}.svg`));
    if (location.pathname.includes("/notebooks/")) line.append(" · ", link("this page's records (CSV)", records, `${page}.csv`));
    const box = image.closest("figure, p"); // a cell may show several figures: each has its line below it
    box ? box.append(line) : image.after(line);
  });
}

// What can be scrolled can be scrolled with the keyboard.
function reachable() {
  document.querySelectorAll(".companion-table, .bd-article pre").forEach((box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls && !box.hasAttribute("tabindex")) box.tabIndex = 0;
    if (scrolls && box.tagName === "DIV" && !box.hasAttribute("role")) Object.assign(box, { role: "region", ariaLabel: "table" });
  });
}

function browse(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], all = [...body.rows];
  const names = heads.map((head) => head.textContent.trim());
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  all.forEach((row) => [...row.cells].forEach((cell, column) => { cell.dataset.label = names[column]; })); // which a narrow page shows
  const bar = document.createElement("form"), count = document.createElement("output"), more = document.createElement("button");
  bar.className = "companion-filters";
  const search = Object.assign(document.createElement("input"), { type: "search", name: "text" });
  const tests = [[search, (row, wanted) => row.textContent.toLowerCase().includes(wanted.toLowerCase())]];
  heads.forEach((head, column) => {
    let control;
    if ("choose" in head.dataset) {
      control = document.createElement("select");
      const parts = (row) => value(row, column).split(", "); // a cell may list several
      control.append(new Option("all", ""), ...[...new Set(all.flatMap(parts))].sort().map((text) => new Option(text, text)));
      tests.push([control, (row, wanted) => parts(row).includes(wanted)]);
    } else if ("number" in head.dataset) {
      control = Object.assign(document.createElement("input"), { type: "number", step: "any" });
      tests.push([control, (row, wanted) => value(row, column) !== "" && Number(value(row, column)) >= Number(wanted)]);
    }
    if (control) {
      control.name = names[column];
      bar.append(label(names[column] + ("number" in head.dataset ? " at least" : ""), control));
    }
  });
  bar.append(label("text", search), count);
  let found = all, shown = PAGE;

  function show() {
    body.replaceChildren(...found.slice(0, shown));
    count.textContent = `${found.length} of ${all.length} rows`;
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more`;
  }
  function filter() {
    const active = tests.filter(([control]) => control.value !== "");
    found = all.filter((row) => active.every(([control, test]) => test(row, control.value)));
    shown = PAGE;
    show();
  }
  orderBy(heads, names, (compare, column) => {
    all.sort((a, b) => compare(value(a, column), value(b, column), "number" in heads[column].dataset));
    filter();
  });
  more.type = "button";
  more.addEventListener("click", () => { shown += PAGE; show(); });
  bar.addEventListener("input", () => {
    const state = new URLSearchParams(tests.filter(([control]) => control.value).map(([control]) => [control.name, control.value]));
    history.replaceState(null, "", "#" + state);
    filter();
  });
  bar.addEventListener("submit", (event) => event.preventDefault());
  function fromAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (tests.some(([control]) => wanted.has(control.name))) { // else it is an anchor of the page
      tests.forEach(([control]) => {
        control.value = wanted.get(control.name) ?? "";
        if (control.selectedIndex === -1) control.value = ""; // no such choice
      });
    }
    filter();
  }
  window.addEventListener("hashchange", fromAddress);
  table.before(bar);
  table.after(more);
  fromAddress();
}

document.addEventListener("DOMContentLoaded", () => {
  const main = document.querySelector(".bd-article");
  if (main) downloads(main);
  document.querySelectorAll("table[data-browse]").forEach(browse);
  document.querySelectorAll("table.companion:not([data-browse], .companion-texts)").forEach((table) => { if (table.tHead?.rows.length === 1) sortable(table); });
  reachable();
  addEventListener("resize", reachable);
});
