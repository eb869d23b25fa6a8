// One row of the table in the editor of shares. A table is as Gradio's has it: {headers, data}, the first column the
// contexts. What a function gives as undefined stays as it is. `shared` is kept while the page is open.
const shared = (window.distalign.tableRow ||= { listed: "", written: "", replaced: null });
const ofTable = (table) => ({
  names: (table?.headers ?? []).slice(1).map(String),
  contexts: (table?.data ?? []).map((line) => String(line[0])),
});
const cellsOf = (table, at) => table.data[at].slice(1).map((cell) => String(cell ?? ""));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// The list of contexts with the one that is edited, its shares, and whether replaced rows can be brought back.
// `whole` is the editor of shares for all contexts: it knows how the categories are laid out.
function load(context, table, editor, whole) {
  const { names, contexts } = ofTable(table);
  if (!contexts.length) return [];
  const chosen = contexts.includes(context) ? context : contexts[0];
  let list = chosen === context ? undefined : chosen;
  if (!same(contexts, shared.listed)) {
    shared.listed = contexts;
    list = { __type__: "update", choices: contexts.map((name) => [name, name]), value: chosen };
  }
  const cells = cellsOf(table, contexts.indexOf(chosen)), now = JSON.parse(editor || "{}");
  const { groups: [layout = {}], sliders } = JSON.parse(whole);
  const { blocks, rows, columns } = same(layout.names, names) ? layout : { blocks: [], rows: [], columns: [] };
  const group = { name: "", names, cells, mode: "shares", modes: [], blocks, rows, columns };
  const shown = now.of === chosen && same(now.groups[0], group);
  // The row is as the editor wrote it last: its shares have been moved on, and come next.
  const behind = now.of === chosen && same(now.groups[0].names, names) && same(shared.written, [chosen, cells]);
  const value = shown || behind ? undefined : JSON.stringify({ groups: [group], sliders, of: chosen });
  if (value) shared.written = "";
  const undo = shared.replaced && !same(shared.replaced.headers, table.headers);
  return [list, value, undo ? { __type__: "update", visible: false } : undefined];
}

// The table with the editor's shares in their row.
function write(editor, table) {
  const { groups: [group], of } = JSON.parse(editor);
  const { names, contexts } = ofTable(table), at = contexts.indexOf(of);
  if (!group || at < 0 || !same(group.names, names) || same(group.cells, cellsOf(table, at))) return undefined;
  shared.written = [of, group.cells];
  return { ...table, data: table.data.map((line, k) => (k === at ? [line[0], ...group.cells] : line)) };
}

// The table with the editor's shares in every row, and the button that brings the former rows back.
function writeAll(editor, table) {
  const { groups: [group] } = JSON.parse(editor);
  if (!group || !same(group.names, ofTable(table).names)) return [];
  shared.replaced = table;
  const cells = rescaled(group.cells);
  return [{ ...table, data: table.data.map((line) => [line[0], ...cells]) }, { __type__: "update", visible: true }];
}

// Cells as the editor shows them, where their row does not sum to 1.
function rescaled(cells) {
  const weights = cells.map((cell) => Math.max(0, Number(cell)) || 0);
  const sum = weights.reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 1) < 0.005) return cells;
  return weights.map((x) => String(Number((sum ? x / sum : 1 / cells.length).toFixed(4))));
}

// The rows from before they were replaced, of those contexts that are still there.
function bringBack(table) {
  const former = shared.replaced;
  shared.replaced = null;
  const hide = { __type__: "update", visible: false };
  if (!former || !same(former.headers, table.headers)) return [undefined, hide];
  const rows = new Map(former.data.map((line) => [String(line[0]), line]));
  return [{ ...table, data: table.data.map((line) => rows.get(String(line[0])) ?? line) }, hide];
}
