// What a spreadsheet copies, read as shares. Pure; stands before shares.js in one script.

// A figure as it is typed: 30, 30 %, 0.5 and 0,5, thousands as 1,200 and 1.200,5. NaN for what is none.
function figure(cell) {
  const bare = cell.replace(/[\s%]/g, ""), percent = cell.includes("%");
  if (!percent && /^[1-9]\d{0,2}(,\d{3})+(\.\d+)?$/.test(bare)) return Number(bare.replaceAll(",", ""));
  if (/^[1-9]\d{0,2}(\.\d{3})+,\d+$/.test(bare)) return Number(bare.replaceAll(".", "").replace(",", "."));
  const x = bare ? Number(bare.replace(",", ".")) : NaN;
  return x >= 0 && x < Infinity ? x : NaN;
}

// Names and cells in pairs; a name is "" where figures stand alone. `known` says of a cell whether it is a category.
function pastedPairs(lines, known) {
  const [head, next] = lines;
  const isFigure = (cell) => !Number.isNaN(figure(cell)), isName = (cell) => known(cell) || !isFigure(cell);
  // Names in the first line, their figures in the second, which may begin with a name of its own.
  const across = lines.length === 2 && head.length > 1 && head.every(isName)
    && next.slice(1).every((cell) => !cell || isFigure(cell))
    && (isFigure(next[0]) ? head.length > 2 || !known(next[0]) : head.some(known) && !known(next[0]));
  if (across) return head.map((name, k) => [name, next[k] ?? ""]).slice(isFigure(next[0]) ? 0 : 1);
  if (lines.length > 1 || (head.length === 2 && isName(head[0]) && !isName(head[1]))) {
    return lines.map((line) => [line.length > 1 ? line[0] : "", line[line.length - 1]]);
  }
  return head.map((cell) => ["", cell]);
}

// A pasted text as {shares, told}: the shares by index in units of TOTAL, and what could not be used. Null for a
// single cell. Figures alone go from `start` on; those of all names are weights, others percentages or parts of 1.
function pasted(text, names, start) {
  const lines = text.trimEnd().split(/\r?\n/).filter((line) => line.trim())
    .map((line) => line.split("\t").map((cell) => cell.trim()));
  if (!lines.length || (lines.length === 1 && lines[0].length === 1)) return null;
  const place = (name) => names.findIndex((n) => n.toLowerCase() === name.toLowerCase());
  const found = new Map(), unknown = [], unread = [];
  let next = start, spare = 0;
  pastedPairs(lines, (cell) => place(cell) >= 0).forEach(([name, cell], line) => {
    const x = figure(cell), k = name ? place(name) : next;
    if (Number.isNaN(x)) {
      // The first line may be a heading.
      if (name ? k >= 0 : line > 0) unread.push(name || cell);
      return;
    }
    if (!name) next += 1;
    if (k >= 0 && k < names.length) found.set(k, x); else if (name) unknown.push(name); else spare += 1;
  });
  const sum = [...found.values()].reduce((a, b) => a + b, 0);
  const whole = found.size === names.length, used = sum > 0 && (whole || sum <= 100.5);
  const told = [
    used ? "" : "Nothing was pasted.",
    sum > 0 && !used ? `These are more than 100 %; paste a figure for each of the ${names.length} categories.` : "",
    unknown.length ? `Not among the categories: ${unknown.join(", ")}.` : "",
    unread.length ? `Without a figure: ${unread.join(", ")}.` : "",
    spare ? `Figures beyond the last category: ${spare}.` : "",
  ];
  const scale = whole ? TOTAL / sum : sum <= 1.005 ? TOTAL : 100;
  return { shares: new Map(used ? [...found].map(([k, x]) => [k, x * scale]) : []), told: told.filter(Boolean).join(" ") };
}
