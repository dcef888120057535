"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows, places = data.places, SIZE = 50;
  const byId = id => document.getElementById(id);
  // Text only ever enters the page as text: nothing a model wrote is read as HTML.
  const make = (name, css, text) => {
    const made = document.createElement(name);
    if (css) made.className = css;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const words = head.dataset.kind === "text";
        const rising = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "ascending" : true;
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const key = row => words ? row.cells[column].dataset.sort : Number(row.cells[column].dataset.sort);
        const sorted = [...table.tBodies[0].rows].sort((a, b) => {
          const x = key(a), y = key(b);
          return (words ? x.localeCompare(y) : x - y) * (rising ? 1 : -1);
        });
        table.tBodies[0].append(...sorted);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
    });
  }

  const names = Object.keys(places).filter(name => rows.some(row => row.cells && row.cells[name]));
  const passed = cell => (cell.times || 1) > 1 ? (cell.passes || 0) === cell.times : cell.success === true;
  const state = cell => passed(cell) ? "good" : cell.success === null ? "open" : "bad";
  const sign = cell => (cell.times || 1) > 1 ? `${cell.passes || 0}/${cell.times}` : { good: "✓", bad: "✕", open: "?" }[state(cell)];
  const time = value => value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toPrecision(3)} s`;
  const money = value => "$" + (value === 0 ? "0" : value.toFixed(Math.min(12, Math.max(2, 2 - Math.floor(Math.log10(value)))))
    .replace(/(\.\d{2}\d*?)0+$/, "$1"));

  const kinds = {
    differs: row => row.differs,
    all: () => true,
    allfail: row => Object.values(row.cells || {}).every(cell => !passed(cell)),
    error: row => Object.values(row.cells || {}).some(cell => cell.error),
    unscored: row => Object.values(row.cells || {}).some(cell => cell.success === null),
  };
  const option = (select, value) => { const made = make("option", "", value); made.value = value; select.append(made); };
  [...new Set(rows.flatMap(row => row.tags || []))].sort().forEach(tag => option(byId("f-tag"), tag));
  names.forEach(name => option(byId("f-failed"), name));

  const mark = (name, cell) => {
    const made = make("span", `m ${state(cell)} c${places[name] % 8}`, sign(cell));
    made.title = `${name}: ${{ good: "passed", bad: "did not pass", open: "could not be judged" }[state(cell)]}`;
    return made;
  };

  const answer = (name, cell) => {
    const box = make("div", `answer c${places[name] % 8}`), head = make("header");
    head.append(mark(name, cell), make("span", "", name));
    const meta = [cell.ttft != null && `first token ${time(cell.ttft)}`, cell.total != null && `total ${time(cell.total)}`, cell.cost != null && money(cell.cost)];
    head.append(make("span", "meta", meta.filter(Boolean).join(" · ")));
    box.append(head, make("pre", "", cell.error || cell.text || "(empty answer)"));
    const list = make("ul", "judged");
    for (const [scorer, value, ok, why, taken] of cell.scores || []) {
      const line = make("li");
      line.append(make("b", "", scorer), ` ${value === null ? "could not score" : +value.toFixed(3)}${ok === true ? " ✓" : ok === false ? " ✕" : ""}`);
      if (taken) line.append(" · took ", make("code", "", taken));
      if (why) line.append(` · ${why}`);
      list.append(line);
    }
    if (list.children.length) box.append(list);
    return box;
  };

  const inside = row => {
    const made = make("div", "inside"), top = make("div");
    top.append(make("div", "label", `asked · sample ${row.sample}${(row.tags || []).length ? " · " + row.tags.join(", ") : ""}`), make("pre", "", row.prompt || ""));
    if ((row.expected || []).length) top.append(make("div", "label", "expected"), make("pre", "", row.expected.join("\nor ")));
    const answers = make("div", "answers");
    names.filter(name => row.cells[name]).forEach(name => answers.append(answer(name, row.cells[name])));
    made.append(top, answers);
    return made;
  };

  const entry = row => {
    const made = make("details"), summary = make("summary"), marks = make("span", "marks");
    names.forEach(name => { if (row.cells && row.cells[name]) marks.append(mark(name, row.cells[name])); });
    summary.append(make("span", "ask", row.prompt || row.sample), marks);
    made.append(summary);
    made.addEventListener("toggle", () => { if (made.open && made.children.length === 1) made.append(inside(row)); });
    return made;
  };

  let page = 0, found = [];
  const show = () => {
    const box = byId("explorer"), last = Math.max(0, Math.ceil(found.length / SIZE) - 1);
    page = Math.min(page, last);
    box.replaceChildren(...found.slice(page * SIZE, (page + 1) * SIZE).map(entry));
    if (!found.length) box.append(make("p", "empty", "No sample fits these filters."));
    byId("pages").hidden = last === 0;
    byId("page").textContent = `${page + 1} of ${last + 1}`;
    byId("before").disabled = page === 0;
    byId("next").disabled = page === last;
    byId("f-count").textContent = `${found.length.toLocaleString()} samples`;
  };
  const filter = () => {
    const kind = kinds[byId("f-kind").value], tag = byId("f-tag").value, failed = byId("f-failed").value;
    const words = byId("f-text").value.toLowerCase();
    const holds = row => !words || (row.prompt || "").toLowerCase().includes(words) || row.sample === words
      || Object.values(row.cells || {}).some(cell => (cell.text || "").toLowerCase().includes(words));
    found = rows.filter(row => kind(row) && (!tag || (row.tags || []).includes(tag))
      && (!failed || (row.cells && row.cells[failed] && !passed(row.cells[failed]))) && holds(row));
    page = 0;
    show();
  };
  byId("filters").hidden = false;
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", event => event.preventDefault());
  byId("before").addEventListener("click", () => { page -= 1; show(); });
  byId("next").addEventListener("click", () => { page += 1; show(); });
  if (!rows.some(row => row.differs)) byId("f-kind").value = "all";
  filter();
})();
