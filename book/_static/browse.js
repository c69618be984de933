// Tables marked data-browse: a search field, a choice or a least value for marked columns, an order by any column, PAGE rows at a time.
// Without this script the whole table shows. The address keeps the filters: items.html#system=eqsr-dpo&emotion=fear
const PAGE = 50;

function label(text, control) {
  const wrap = document.createElement("label");
  wrap.append(text + " ", control);
  return wrap;
}

function browse(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], all = [...body.rows];
  const names = heads.map((head) => head.textContent.trim());
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
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
  heads.forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: names[column], title: "order by this column" });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => "number" in head.dataset ? Number(a) - Number(b) : a.localeCompare(b);
      const emptyLast = (a, b) => (a === "") - (b === "") || (down ? -1 : 1) * order(a, b);
      all.sort((a, b) => emptyLast(value(a, column), value(b, column)));
      filter();
    });
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

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("table[data-browse]").forEach(browse));
