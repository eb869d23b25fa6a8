// The editor of shares. Gradio gives `element`, `props` and `watch`; the value is JSON text:
// {groups: [{name, names, cells, mode, modes, blocks, rows, columns}], sliders, of}. shares_rules.js and
// shares_paste.js stand before this in one script.
const EMIT_MS = 120;
const LOCK = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 7V5a4 4 0 0 1 8 0v2h.5A1.5 1.5 0 0 1 14 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 13.5v-5A1.5 1.5 0 0 1 3.5 7zm1.6 0h4.8V5a2.4 2.4 0 0 0-4.8 0z"/></svg>';
const OPEN = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 7V5a4 4 0 0 1 7.7-1.5l-1.5.7A2.4 2.4 0 0 0 5.6 5v2h6.9A1.5 1.5 0 0 1 14 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 13.5v-5A1.5 1.5 0 0 1 3.5 7zm-.4 1.6v4.8h8.8V8.6z"/></svg>';

if (window.distalign) Object.assign(window.distalign, { giveWay, giveWayTyped, pastedShares: pasted });

const root = element.querySelector(".da-shares");
let state = { groups: [] };
let sent = "";
let timer = 0;

function node(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const percent = (units) => String(units / 100);

function emit(soon) {
  clearTimeout(timer);
  const tell = () => {
    const groups = state.groups.map(({ name, names, cells, mode, modes, blocks, rows, columns }) =>
      ({ name, names, cells, mode, modes, blocks, rows, columns }));
    sent = JSON.stringify({ groups, sliders: state.sliders, of: state.of });
    props.value = sent;
  };
  if (soon) timer = setTimeout(tell, EMIT_MS); else tell();
}

function read() {
  let given;
  try { given = JSON.parse(props.value || "{}"); } catch { given = {}; }
  const before = state.groups;
  const groups = (given.groups || []).map((group, i) => {
    const old = before[i] && before[i].name === group.name ? before[i] : { names: [], locked: [] };
    const cells = group.cells.map((c) => Math.max(0, Number(c)) || 0);
    return {
      ...group,
      units: spread(cells, TOTAL),
      given: cells.reduce((a, b) => a + b, 0),
      told: "",
      locked: group.names.map((name) => Boolean(old.locked[old.names.indexOf(name)])),
      typed: [],
    };
  });
  state = { groups, sliders: given.sliders || 8, fitted: Boolean(given.fitted), of: given.of };
}

function set(group, units, soon, told = "") {
  group.units = units;
  group.cells = units.map((u) => String(u / TOTAL));
  group.given = 1;
  group.told = told;
  group.refresh();
  emit(soon);
}

function lockButton(group, k) {
  const button = node("button", { type: "button", class: "da-lock" });
  button.addEventListener("click", () => {
    group.locked[k] = !group.locked[k];
    group.refresh();
  });
  return button;
}

function figureInput(group, k) {
  const input = node("input", {
    type: "number", min: 0, max: 100, step: "any", inputmode: "decimal", "aria-label": `${group.names[k]}, percent`,
  });
  let base = group.units;
  input.addEventListener("focus", () => { base = group.units; });
  const take = (soon) => {
    if (input.value === "" || !Number.isFinite(Number(input.value))) return;
    set(group, giveWayTyped(base, k, Number(input.value) * 100, group.locked, group.typed), soon);
  };
  input.addEventListener("input", () => take(true));
  input.addEventListener("change", () => {
    take(false);
    base = group.units;
    group.typed = [...group.typed.filter((t) => t !== k), k];
    input.value = percent(group.units[k]);
  });
  input.addEventListener("blur", () => { input.value = percent(group.units[k]); });
  input.addEventListener("paste", (event) => {
    const found = pasted(event.clipboardData.getData("text"), group.names, k);
    if (!found) return;
    event.preventDefault();
    const { shares } = found;
    let units = group.units;
    if (shares.size === group.names.length) units = spread(group.names.map((_, i) => shares.get(i)), TOTAL);
    else for (const [i, x] of shares) units = giveWayTyped(units, i, x, group.locked, [...shares.keys()]);
    input.blur();
    if (shares.size) return set(group, units, false, found.told);
    group.told = found.told;
    group.refresh();
  });
  return input;
}

function slider(group, k) {
  const range = node("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": group.names[k] });
  let base = null;
  range.addEventListener("input", () => {
    base = base || group.units;
    group.typed = [];
    set(group, giveWay(base, k, Number(range.value) * 100, group.locked), true);
  });
  range.addEventListener("change", () => { base = null; emit(false); });
  return range;
}

// The controls of one share; `paint` brings them up to date.
function share(group, k, withSlider) {
  const range = withSlider ? slider(group, k) : null;
  const figure = figureInput(group, k);
  const lock = lockButton(group, k);
  const paint = () => {
    const units = group.units[k];
    if (document.activeElement !== figure) figure.value = percent(units);
    if (range) {
      range.value = units / 100;
      range.style.setProperty("--share", `${units / 100}%`);
      range.disabled = group.locked[k];
      range.setAttribute("aria-valuetext", `${percent(units)} percent`);
    }
    figure.disabled = group.locked[k];
    lock.innerHTML = group.locked[k] ? LOCK : OPEN;
    lock.setAttribute("aria-pressed", String(group.locked[k]));
    lock.setAttribute("aria-label", `Lock ${group.names[k]}`);
    lock.title = group.locked[k] ? "Locked: stays when others move" : "Lock: stay when others move";
  };
  return { range, figure, lock, paint };
}

function list(group) {
  const withSliders = group.names.length <= state.sliders;
  const paints = [];
  const rows = group.names.map((name, k) => {
    const { range, figure, lock, paint } = share(group, k, withSliders);
    paints.push(paint);
    const row = node("div", { class: "da-share" }, node("span", { class: "da-share-name", title: name }, name));
    if (range) row.append(range);
    row.append(node("span", { class: "da-figure" }, figure, "%"), lock);
    return row;
  });
  const box = node("div", { class: withSliders ? "da-share-list" : "da-share-list dense" }, ...rows);
  return [box, () => paints.forEach((paint) => paint())];
}

// The cells of two parts from `start` on; `title` is what they have in common, where there are other cells.
function matrix(group, start, title) {
  // The part with more categories goes downwards, where there is room.
  const turned = group.columns.length > group.rows.length;
  const [rows, columns] = turned ? [group.columns, group.rows] : [group.rows, group.columns];
  const at = (r, c) => start + (turned ? c * rows.length + r : r * columns.length + c);
  const paints = [];
  const total = (cells) => {
    const sum = node("td", { class: "sum" });
    paints.push(() => { sum.textContent = `${percent(cells.reduce((s, k) => s + group.units[k], 0))} %`; });
    return sum;
  };
  const each = (found) => rows.flatMap((_, r) => columns.map((_, c) => [r, c])).filter(found).map(([r, c]) => at(r, c));
  const table = node("table", { class: "da-matrix" }, ...(title ? [node("caption", {}, title)] : []));
  table.append(node("tr", {}, node("td"), ...columns.map((name) => node("th", { scope: "col" }, name)), node("th", { class: "sum" }, "Sum")));
  rows.forEach((name, r) => {
    const line = node("tr", {}, node("th", { scope: "row" }, name));
    columns.forEach((_, c) => {
      const { figure, lock, paint } = share(group, at(r, c), false);
      paints.push(paint);
      line.append(node("td", {}, node("span", { class: "da-figure" }, figure, lock)));
    });
    line.append(total(each(([i]) => i === r)));
    table.append(line);
  });
  const sums = columns.map((_, c) => total(each(([, i]) => i === c)));
  table.append(node("tr", {}, node("th", { class: "sum", scope: "row" }, "Sum"), ...sums, total(each(() => true))));
  return [table, () => paints.forEach((paint) => paint())];
}

function matrices(group) {
  const titles = group.blocks && group.blocks.length ? group.blocks : [""];
  const made = titles.map((title, b) => matrix(group, b * group.rows.length * group.columns.length, title));
  const box = node("div", { class: "da-scroll da-matrix-scroll", tabindex: 0 }, ...made.map(([table]) => table));
  return [box, () => made.forEach(([, paint]) => paint())];
}

function modeChoice(group) {
  const choice = node("select", { "aria-label": `Target of ${group.name}` },
    ...group.modes.map(([value, label]) => node("option", { value }, label)));
  choice.value = group.mode;
  choice.addEventListener("change", () => { group.mode = choice.value; group.refresh(); emit(false); });
  return choice;
}

function footText(group) {
  if (Math.abs(group.given - 1) < 0.005) return "Sums to 100 %. Move one, the others give way; lock those that stay.";
  return `Given as ${percent(Math.round(group.given * TOTAL))} % in all: move one, and they sum to 100 %.`;
}

function build() {
  root.replaceChildren(...state.groups.map((group) => {
    const [body, paint] = group.rows && group.rows.length ? matrices(group) : list(group);
    const even = node("button", { type: "button", class: "da-even" }, "Make even");
    even.addEventListener("click", () => {
      group.typed = [];
      const free = group.names.map((_, k) => k).filter((k) => !group.locked[k]);
      const rest = free.reduce((sum, k) => sum + group.units[k], 0);
      const units = [...group.units];
      spread(free.map(() => 1), rest).forEach((u, i) => { units[free[i]] = u; });
      set(group, units, false);
    });
    const sum = node("span"), told = node("p", { class: "da-share-told", role: "status" });
    const foot = node("div", { class: "da-share-foot" }, sum, even, told);
    group.refresh = () => {
      paint();
      sum.textContent = footText(group);
      if (told.textContent !== group.told) told.textContent = group.told;
      body.hidden = foot.hidden = group.mode !== "shares";
    };
    const head = group.name ? [node("div", { class: "da-share-head" }, node("strong", {}, group.name), modeChoice(group))] : [];
    const whole = node("div", { class: "da-share-group" }, ...head, body, foot);
    group.refresh();
    return whole;
  }));
}

// What the controls are built for; figures and chosen targets are shown by those that are there.
const built = () => JSON.stringify(state.groups.map(({ name, names, modes, blocks, rows }) => [name, names, modes, blocks, rows]));

read();
build();
watch("value", () => {
  if (props.value === sent) return;
  const before = built();
  const old = state.groups;
  read();
  const after = built();
  sent = props.value;
  clearTimeout(timer);
  if (before === after && state.fitted) {
    // An answer to what was typed before: the figures may have been moved since.
    state.groups = old;
    emit(false);
    return;
  }
  if (before === after) {
    // The same shares with other figures: the controls stay, and with them the focus.
    state.groups.forEach((group, i) => {
      const { units, cells, mode, given, told } = group;
      Object.assign(old[i], { units, cells, mode, given, told, typed: [] });
    });
    state.groups = old;
    old.forEach((group) => group.refresh());
    if (old.every((group) => !group.modes.length)) return;
  }
  build();
});
