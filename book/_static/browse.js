// What the pages do beyond the theme, without a network. Without scripts every table shows whole and every figure shows.
// Tables are ordered, searched and paged by DataTables (datatables.js, from the package itables). Tables marked data-browse have a search field, a choice or a least
// value for marked columns, PAGE rows at a time; the address keeps the filters: items.html#system=eqsr-dpo&emotion=fear. All: a CSV file; figures: an SVG file.
const PAGE = 50;
const LIBRARY = new URL("datatables.js", document.currentScript.src).href; // 0.6 MB: fetched once a table comes into view

function label(text, control) {
  const wrap = document.createElement("label");
  wrap.append(text + " ", control);
  return wrap;
}

// Numbers: "0.31 [0.28, 0.36]" by the number with which it begins. An order in either direction has empty cells last.
const number = (text) => text.trim().replace("−", "-").match(/^[-+]?[\d,]*\.?\d+/)?.[0].replaceAll(",", "") ?? "";
const emptyLast = (compare) => (a, b) => (a === "") - (b === "") || compare(a, b);
const ORDERS = { "companion-number": (a, b) => a - b, "companion-text": (a, b) => a.localeCompare(b) };

// A table of a page: what its columns hold (numbers where most cells begin with one), and an order by each; `given` are further options of DataTables.
function ordered(table, given) {
  const rows = [...table.tBodies[0].rows], width = rows[0]?.cells.length ?? 0, heads = [...table.tHead.rows].at(-1).cells;
  if (heads.length !== width || rows.some((row) => row.cells.length !== width)) return; // cells that span several
  const columns = [...heads].map((_, column) => {
    const cells = rows.map((row) => row.cells[column]), numbers = cells.map((cell) => cell.dataset.value ?? number(cell.textContent));
    const numeric = numbers.filter((text) => text !== "").length > cells.length / 2 && !("choose" in heads[column].dataset);
    cells.forEach((cell, row) => { cell.dataset.order = numeric ? numbers[row] : cell.dataset.value ?? cell.textContent.trim(); });
    return { type: numeric ? "companion-number" : "companion-text", orderable: heads[column].textContent.trim() !== "" };
  });
  return new DataTable(table, { columns, order: [], titleRow: table.tHead.rows.length - 1, autoWidth: false, paging: false, searching: false, info: false, layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null }, ...given });
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
  const heads = [...table.tHead.rows[0].cells], all = [...table.tBodies[0].rows], names = heads.map((head) => head.textContent.trim());
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  all.forEach((row) => [...row.cells].forEach((cell, column) => { cell.dataset.label = names[column]; })); // which a narrow page shows
  const bar = document.createElement("form"), tests = [], search = Object.assign(document.createElement("input"), { type: "search", name: "text" });
  bar.className = "companion-filters";
  heads.forEach((head, column) => {
    let control;
    if ("choose" in head.dataset) {
      control = document.createElement("select");
      const parts = (row) => value(row, column).split(", "); // a cell may list several
      const shown = (row, part) => "value" in row.cells[column].dataset ? row.cells[column].textContent.trim() : part;
      const choices = new Map(all.flatMap((row) => parts(row).map((part) => [part, shown(row, part)])));
      control.append(new Option("all", ""), ...[...choices].sort(([, a], [, b]) => (a < b ? -1 : 1)).map(([part, text]) => new Option(text, part)));
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
  bar.append(label("text", search));
  const controls = [search, ...tests.map(([control]) => control)];
  table.before(bar);
  const shown = ordered(table, { paging: all.length > PAGE, pageLength: PAGE, searching: true, info: true,
    language: { info: "_TOTAL_ of _MAX_ rows", infoEmpty: "0 of _MAX_ rows", infoFiltered: "", zeroRecords: "no row fits" }, layout: { topStart: "info", topEnd: null, bottomStart: "paging", bottomEnd: null } });

  function filter() {
    const active = tests.filter(([control]) => control.value !== "");
    shown.search.fixed("filters", (_, __, index) => active.every(([control, test]) => test(all[index], control.value)));
    shown.search(search.value).draw();
  }
  bar.addEventListener("input", () => {
    history.replaceState(null, "", "#" + new URLSearchParams(controls.filter((control) => control.value).map((control) => [control.name, control.value])));
    filter();
  });
  addEventListener("beforeprint", () => shown.page.len(-1).draw()); // paper has all rows
  addEventListener("afterprint", () => shown.page.len(PAGE).draw());
  bar.addEventListener("submit", (event) => event.preventDefault());
  function fromAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (controls.some((control) => wanted.has(control.name))) { // else it is an anchor of the page
      controls.forEach((control) => {
        control.value = wanted.get(control.name) ?? "";
        if (control.selectedIndex === -1) control.value = ""; // no such choice
      });
    }
    filter();
  }
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
}

// Fetches DataTables and gives the tables their orders and filters; without it they stay as they are.
function equip(browsed, plain) {
  const script = Object.assign(document.createElement("script"), { src: LIBRARY });
  script.addEventListener("load", () => {
    for (const [name, compare] of Object.entries(ORDERS)) DataTable.type(name, { order: { asc: emptyLast(compare), desc: emptyLast((a, b) => compare(b, a)) } });
    browsed.forEach(browse);
    plain.forEach((table) => ordered(table));
    reachable();
  });
  document.head.append(script);
}

document.addEventListener("DOMContentLoaded", () => {
  const main = document.querySelector(".bd-article");
  if (main) downloads(main);
  const browsed = document.querySelectorAll("table[data-browse]");
  const plain = [...document.querySelectorAll("table.companion:not([data-browse], .companion-texts)")].filter((table) => table.tHead && table.tBodies[0].rows.length > 3);
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    equip(browsed, plain);
  });
  if (browsed.length) equip(browsed, plain); // their filters stand in the address
  else plain.forEach((table) => seen.observe(table));
  reachable();
  addEventListener("resize", reachable);
});
