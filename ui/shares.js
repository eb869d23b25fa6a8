// The editor of shares. Gradio gives `element`, `props` and `watch`; the value is JSON text:
// {groups: [{name, names, cells, mode, modes, rows, columns}], sliders}. Shares are kept as whole
// hundredths of a percent, so that they sum to 100 % exactly.
const TOTAL = 10000;
const EMIT_MS = 120;
const LOCK = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 7V5a4 4 0 0 1 8 0v2h.5A1.5 1.5 0 0 1 14 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 13.5v-5A1.5 1.5 0 0 1 3.5 7zm1.6 0h4.8V5a2.4 2.4 0 0 0-4.8 0z"/></svg>';
const OPEN = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 7V5a4 4 0 0 1 7.7-1.5l-1.5.7A2.4 2.4 0 0 0 5.6 5v2h6.9A1.5 1.5 0 0 1 14 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 13.5v-5A1.5 1.5 0 0 1 3.5 7zm-.4 1.6v4.8h8.8V8.6z"/></svg>';

// Whole numbers in proportion to weights that sum to `rest`: rounded down, the largest remainders up.
function spread(weights, rest) {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((w) => (sum > 0 ? (w * rest) / sum : rest / weights.length));
  const whole = exact.map(Math.floor);
  const left = Math.round(rest - whole.reduce((a, b) => a + b, 0));
  const order = exact.map((x, k) => k).sort((a, b) => exact[b] - whole[b] - (exact[a] - whole[a]) || a - b);
  order.slice(0, left).forEach((k) => { whole[k] += 1; });
  return whole;
}

// Share `index` becomes `value`; the unlocked others give way in proportion, locked ones stay, the sum stays.
function giveWay(shares, index, value, locked) {
  const free = shares.map((_, k) => k).filter((k) => k !== index && !locked[k]);
  if (!free.length || locked[index]) return [...shares];
  const most = TOTAL - shares.reduce((sum, s, k) => sum + (k !== index && locked[k] ? s : 0), 0);
  const mine = Math.min(most, Math.max(0, Math.round(value) || 0));
  const given = spread(free.map((k) => shares[k]), most - mine);
  const next = [...shares];
  next[index] = mine;
  free.forEach((k, i) => { next[k] = given[i]; });
  return next;
}

// A typed figure: figures typed before stay as well, the oldest ones only until they must give way.
function giveWayTyped(shares, index, value, locked, typed) {
  const kept = typed.filter((k) => k !== index);
  for (;;) {
    const held = locked.map((l, k) => l || kept.includes(k));
    held[index] = locked[index];
    const next = giveWay(shares, index, value, held);
    if (!kept.length || next[index] === Math.min(TOTAL, Math.max(0, Math.round(value) || 0))) return next;
    kept.shift();
  }
}

// What a spreadsheet copies: names and figures, or figures alone from `start` on. Null for a single figure.
function pasted(text, names, start) {
  const lines = text.trim().split(/\r?\n/).map((line) => line.split("\t").map((c) => c.trim()));
  if (lines.length === 1 && lines[0].length === 1) return null;
  const found = new Map();
  const figure = (cell) => Number(cell.replace("%", "").replace(",", ".").trim());
  const cells = lines.length === 1 ? lines[0].map((c) => [c]) : lines;
  for (const line of cells) {
    const at = names.findIndex((n) => n.toLowerCase() === line[0].toLowerCase());
    const x = figure(line[line.length - 1] || "x");
    if (!Number.isFinite(x) || x < 0) continue;
    const k = at >= 0 && line.length > 1 ? at : start + found.size;
    if (k < names.length) found.set(k, x);
  }
  const sum = [...found.values()].reduce((a, b) => a + b, 0);
  if (!found.size || sum <= 0) return null;
  const scale = found.size === names.length ? TOTAL / sum : sum <= 1.005 ? TOTAL : 100;
  return new Map([...found].map(([k, x]) => [k, x * scale]));
}

if (window.distalign) Object.assign(window.distalign, { giveWay, giveWayTyped, spreadShares: spread, pastedShares: pasted });

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
    const groups = state.groups.map(({ name, names, cells, mode, modes, rows, columns }) =>
      ({ name, names, cells, mode, modes, rows, columns }));
    sent = JSON.stringify({ groups, sliders: state.sliders });
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
      locked: group.names.map((name) => Boolean(old.locked[old.names.indexOf(name)])),
      typed: [],
    };
  });
  state = { groups, sliders: given.sliders || 8, fitted: Boolean(given.fitted) };
}

function set(group, units, soon) {
  group.units = units;
  group.cells = units.map((u) => String(u / TOTAL));
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
    let units = group.units;
    if (found.size === group.names.length) units = spread(group.names.map((_, i) => found.get(i)), TOTAL);
    else for (const [i, x] of found) units = giveWayTyped(units, i, x, group.locked, [...found.keys()]);
    input.blur();
    set(group, units, false);
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

function matrix(group) {
  // The part with more categories goes downwards, where there is room.
  const turned = group.columns.length > group.rows.length;
  const [rows, columns] = turned ? [group.columns, group.rows] : [group.rows, group.columns];
  const at = (r, c) => (turned ? c * rows.length + r : r * columns.length + c);
  const paints = [];
  const table = node("table", { class: "da-matrix" });
  table.append(node("tr", {}, node("td"), ...columns.map((name) => node("th", { scope: "col" }, name)), node("th", { class: "sum" }, "Sum")));
  rows.forEach((name, r) => {
    const line = node("tr", {}, node("th", { scope: "row" }, name));
    columns.forEach((_, c) => {
      const { figure, lock, paint } = share(group, at(r, c), false);
      paints.push(paint);
      line.append(node("td", {}, node("span", { class: "da-figure" }, figure, lock)));
    });
    const sum = node("td", { class: "sum" });
    paints.push(() => { sum.textContent = `${percent(columns.reduce((s, _, c) => s + group.units[at(r, c)], 0))} %`; });
    line.append(sum);
    table.append(line);
  });
  const foot = node("tr", {}, node("th", { class: "sum", scope: "row" }, "Sum"));
  columns.forEach((_, c) => {
    const sum = node("td", { class: "sum" });
    paints.push(() => { sum.textContent = `${percent(rows.reduce((s, _, r) => s + group.units[at(r, c)], 0))} %`; });
    foot.append(sum);
  });
  foot.append(node("td", { class: "sum" }, "100 %"));
  table.append(foot);
  return [node("div", { class: "da-matrix-scroll", tabindex: 0 }, table), () => paints.forEach((paint) => paint())];
}

function modeChoice(group) {
  const choice = node("select", { "aria-label": `Target of ${group.name}` },
    ...group.modes.map(([value, label]) => node("option", { value }, label)));
  choice.value = group.mode;
  choice.addEventListener("change", () => { group.mode = choice.value; group.refresh(); emit(false); });
  return choice;
}

function build() {
  root.replaceChildren(...state.groups.map((group) => {
    const [body, paint] = group.rows && group.rows.length ? matrix(group) : list(group);
    const even = node("button", { type: "button", class: "da-even" }, "Make even");
    even.addEventListener("click", () => {
      group.typed = [];
      const free = group.names.map((_, k) => k).filter((k) => !group.locked[k]);
      const rest = free.reduce((sum, k) => sum + group.units[k], 0);
      const units = [...group.units];
      spread(free.map(() => 1), rest).forEach((u, i) => { units[free[i]] = u; });
      set(group, units, false);
    });
    const foot = node("div", { class: "da-share-foot" },
      node("span", {}, "Sums to 100 %. Move one, the others give way; lock those that stay."), even);
    group.refresh = () => {
      paint();
      body.hidden = foot.hidden = group.mode !== "shares";
    };
    const head = group.name ? [node("div", { class: "da-share-head" }, node("strong", {}, group.name), modeChoice(group))] : [];
    const whole = node("div", { class: "da-share-group" }, ...head, body, foot);
    group.refresh();
    return whole;
  }));
}

read();
build();
watch("value", () => {
  if (props.value === sent) return;
  const before = JSON.stringify(state.groups.map(({ name, names, modes, rows }) => [name, names, modes, rows]));
  const old = state.groups;
  read();
  const after = JSON.stringify(state.groups.map(({ name, names, modes, rows }) => [name, names, modes, rows]));
  sent = props.value;
  if (before === after && state.fitted) {
    // An answer to what was typed before: the figures may have been moved since.
    state.groups = old;
    emit(false);
    return;
  }
  if (before === after) {
    // The same shares with other figures: the controls stay, and with them the focus.
    state.groups.forEach((group, i) => {
      Object.assign(old[i], { units: group.units, cells: group.cells, mode: group.mode, typed: [] });
    });
    state.groups = old;
    old.forEach((group) => group.refresh());
    if (old.every((group) => !group.modes.length)) return;
  }
  build();
});
