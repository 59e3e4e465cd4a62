/**
 * How the benchmarks measure, so that their figures can be compared and believed on a noisy machine.
 *
 *   warm up ──► calibrate ──► round 1: a b c   round 2: b c a   round 3: c a b … ──► medians, and ratios within a round
 *
 * All subjects run interleaved in one process, so what disturbs one disturbs all. CPU time stands beside wall time: on a
 * shared machine the second says little. A ratio is the median of the ratios of the rounds, not of the medians.
 */
export async function interleave(subjects, plan) {
  const lanes = [];
  for (const subject of subjects) {
    lanes.push({
      subject,
      times: await calibrate(subject, plan.milliseconds),
      cpu: [],
      wall: [],
    });
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (let turn = 0; turn < lanes.length; turn++) {
      const lane = lanes[(turn + round) % lanes.length];
      if (lane === undefined) continue;
      const cost = await timed(() => lane.subject.run(lane.times));
      lane.cpu.push(cost.cpu / lane.times);
      lane.wall.push(cost.wall / lane.times);
    }
  }
  return lanes.map(({ subject, cpu, wall }) => ({ subject: subject.name, cpu, wall }));
}
/** How often the subject runs in the time; measured on code that is warm. */
async function calibrate(subject, milliseconds) {
  let times = 1;
  for (;;) {
    const { wall } = await timed(() => subject.run(times));
    if (wall >= milliseconds * 1000) return Math.max(1, Math.round((times * milliseconds * 1000) / wall));
    times *= 2;
  }
}
/** CPU and wall time of some work, in microseconds. */
export async function timed(work) {
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  await work();
  const wall = (performance.now() - before) * 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { cpu: user + system, wall };
}
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
/** Median of `one / other`, round by round. */
export function pairedRatio(one, other) {
  return median(one.map((value, round) => value / (other[round] ?? Number.NaN)));
}
/** Rows as a table for people: one line a subject, one column a metric. */
export function formatTable(rows) {
  const metrics = [...new Set(rows.map((row) => `${row.metric}, ${row.unit}`))];
  const lines = new Map();
  for (const row of rows) {
    const key = `${row.case}\n${row.subject}`;
    const line = lines.get(key) ?? [row.case, row.subject, ...metrics.map(() => "")];
    line[2 + metrics.indexOf(`${row.metric}, ${row.unit}`)] = formatFigure(row.value);
    lines.set(key, line);
  }
  const table = [["case", "subject", ...metrics], ...lines.values()];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
  return table
    .map((line, index) => {
      const text = line
        .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd();
      const newCase = index > 1 && line[0] !== table[index - 1]?.[0];
      return newCase ? `\n${text}` : text;
    })
    .join("\n");
}
function formatFigure(value) {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 2);
}
