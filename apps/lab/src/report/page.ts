/** The report: one page that needs nothing else, in English and Korean. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { STRATEGY_NAMES } from "../../../../packages/server/src/sessions/strategy.ts";
import { FAULT_NAMES } from "../faults.ts";
import { METRICS, type Row } from "../row.ts";
import { type Chart, chartsOf, middle, type Timeline } from "./charts.ts";
import { FAULT_WORDS, LANGUAGES, type Language, METRIC_WORDS, STRATEGY_WORDS, WORDS, type Words } from "./words.ts";

export interface Findings {
  readonly rows: readonly Row[];
  readonly timelines: readonly Timeline[];
  /** The machine, the versions, the pace: names and values. */
  readonly circumstances: readonly (readonly [string, string])[];
  /** How it is run again. */
  readonly command: string;
}

const LIBRARY = fileURLToPath(new URL("chart.umd.min.js", import.meta.resolve("chart.js")));

/** Text of ours and of the machine, as text. */
function asText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** Data inside a script element. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

export function pageOf(findings: Findings): string {
  const charts = Object.fromEntries(
    LANGUAGES.map((language) => [language, chartsOf(findings.rows, findings.timelines, language)]),
  ) as Record<Language, readonly Chart[]>;
  return `<!doctype html>
<html lang="en" data-language="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${asText(WORDS.title.en)}</title>
<style>${STYLE}</style>
</head>
<body>
<nav><button type="button" data-to="en">English</button> <button type="button" data-to="ko">한국어</button></nav>
${LANGUAGES.map((language) => article(findings, charts[language], language)).join("\n")}
<script>${readFileSync(LIBRARY, "utf8").replaceAll("</script", "<\\/script")}</script>
<script>
const charts = ${inScript(charts)};
const drawn = new Set();
function show(language) {
  document.documentElement.lang = language;
  document.documentElement.dataset.language = language;
  if (drawn.has(language)) return;
  drawn.add(language);
  for (const { id, config } of charts[language]) new Chart(document.getElementById(language + "-" + id), config);
}
for (const button of document.querySelectorAll("[data-to]")) button.addEventListener("click", () => show(button.dataset.to));
show(navigator.language.startsWith("ko") ? "ko" : "en");
</script>
</body>
</html>
`;
}

function article(findings: Findings, charts: readonly Chart[], language: Language): string {
  const say = (words: Words): string => asText(words[language]);
  const here = STRATEGY_NAMES.filter((name) => findings.rows.some(({ strategy }) => strategy === name));
  return `<article lang="${language}">
<h1>${say(WORDS.title)}</h1>
<p>${say(WORDS.story)}</p>
<p>${say(WORDS.oracle)}</p>
<h2>${say(WORDS.strategies)}</h2>
<dl>${here.map((name) => `<dt>${name}</dt><dd>${say(STRATEGY_WORDS[name])}</dd>`).join("\n")}</dl>
<h2>${say(WORDS.charts)}</h2>
<div class="charts">${charts
    .map(
      ({ id, title }) =>
        `<figure><figcaption>${asText(title)}</figcaption><canvas id="${language}-${id}"></canvas></figure>`,
    )
    .join("\n")}</div>
<h2>${say(WORDS.table)}</h2>
${table(findings.rows, language)}
<h2>${say(WORDS.how)}</h2>
<dl class="circumstances">${findings.circumstances
    .map(([name, value]) => `<dt>${asText(name)}</dt><dd>${asText(value)}</dd>`)
    .join("\n")}</dl>
<h2>${say(WORDS.repeat)}</h2>
<pre>${asText(findings.command)}</pre>
</article>`;
}

function table(rows: readonly Row[], language: Language): string {
  const say = (words: Words): string => asText(words[language]);
  const lines: string[] = [];
  for (const strategy of STRATEGY_NAMES) {
    for (const fault of FAULT_NAMES) {
      for (const metric of Object.keys(METRICS) as (keyof typeof METRICS)[]) {
        const found = rows.filter((row) => row.strategy === strategy && row.fault === fault && row.metric === metric);
        const [first] = found;
        if (first === undefined) continue;
        const values = found.map(({ value }) => value);
        const kept = found.some((row) => row.kept === false) ? false : first.kept;
        lines.push(
          `<tr class="${kept === false ? "broken" : ""}"><th>${strategy}</th><td>${say(FAULT_WORDS[fault])}</td><td>${say(METRIC_WORDS[metric])}</td>` +
            `<td>${first.promised === null ? "" : asText(first.promised)}</td>` +
            `<td>${first.predicted === null ? "" : shown(first.predicted, first.unit)}</td>` +
            `<td>${measured(values, first.unit)}</td>` +
            `<td>${kept === null ? "" : say(kept ? WORDS.yes : WORDS.no)}</td></tr>`,
        );
      }
    }
  }
  const head = [WORDS.strategy, WORDS.fault, WORDS.metric, WORDS.promised, WORDS.predicted, WORDS.measured, WORDS.kept];
  return `<table><thead><tr>${head.map((words) => `<th>${say(words)}</th>`).join("")}</tr></thead><tbody>${lines.join("\n")}</tbody></table>`;
}

function measured(values: readonly number[], unit: Row["unit"]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const middling = shown(middle(values), unit);
  return low === high ? middling : `${middling} (${shown(low, unit)} – ${shown(high, unit)})`;
}

export function shown(value: number, unit: Row["unit"]): string {
  switch (unit) {
    case "share":
      return `${(value * 100).toFixed(value === 0 || value === 1 ? 0 : 1)} %`;
    case "count":
      return String(Math.round(value));
    case "ratio":
      return value.toFixed(2);
    case "us":
      return `${Math.round(value)} µs`;
    default:
      return `${value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${unit}`;
  }
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --accent: #3f7d58; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
article { display: none; }
html[data-language="en"] article[lang="en"], html[data-language="ko"] article[lang="ko"] { display: block; }
nav { text-align: right; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
dt { font-weight: 600; } dd { margin: 0 0 .8rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { text-align: left; padding: .2rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tr.broken td, tr.broken th { background: #b8442e33; }
.circumstances { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); }
@media (max-width: 30rem) { .charts { grid-template-columns: 1fr; } }
`;
