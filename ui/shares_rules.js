// How shares give way to one another. Shares are whole hundredths of a percent, so that they sum to
// 100 % exactly. Pure; stands before shares.js in one script.
const TOTAL = 10000;

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
