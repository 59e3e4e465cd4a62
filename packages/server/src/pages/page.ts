/**
 * Server-rendered pages: an escaping template, one layout, one stylesheet, no script. They work without JavaScript and
 * under a policy that allows none.
 */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";

export const LANGUAGES = ["en", "ko"] as const;
export type Language = (typeof LANGUAGES)[number];

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1b1a;--paper:#fbfaf7;--line:#dcd8d0;--quiet:#6a655d;--accent:#8a3b12;--code:#f1eee7}
@media(prefers-color-scheme:dark){:root{--ink:#ece8e1;--paper:#181715;--line:#383530;--quiet:#a39d93;--accent:#e89a6b;--code:#23211e}}
*{box-sizing:border-box}body{margin:0;font:16px/1.6 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:52rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}header{display:flex;justify-content:space-between;align-items:baseline;gap:1rem}
h1{font-size:1.8rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
h3{font-size:1rem;margin:1.75rem 0 .25rem}p{margin:.5rem 0}a{color:var(--accent)}.quiet{color:var(--quiet)}
code,pre{font:.875em/1.5 ui-monospace,monospace;background:var(--code);border-radius:4px}code{padding:.1em .3em}
pre{padding:.9rem 1rem;overflow-x:auto}pre code{padding:0}table{border-collapse:collapse;width:100%;font-size:.925rem}
td,th{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line)}
.method{display:inline-block;min-width:4.2rem;font-weight:600}details>summary{cursor:pointer;color:var(--quiet)}
`;

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

/** Nothing may run, load, frame or be framed; the one stylesheet is named by its hash. */
const POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;

export type Html = ReturnType<typeof html>;

/** A document and the headers that go with it. */
export interface Page {
  readonly html: string;
  readonly headers: Record<string, string>;
}

export async function page(language: Language, title: string, other: string, body: Html): Promise<Page> {
  const another = language === "en" ? "한국어" : "English";
  const document = await html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body><main id="main">
<header><p class="quiet">Mapae</p><p><a id="language" href="${other}">${another}</a></p></header>
${body}
</main></body>
</html>
`;
  return {
    html: String(document),
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": POLICY,
      "content-language": language,
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      "cache-control": "no-store",
      vary: "Accept-Language",
    },
  };
}

/** The language asked for: by the address, else by the browser's order of preference, else English. */
export function languageOf(asked: string | undefined, headers: { get(name: string): string | null }): Language {
  const named = LANGUAGES.find((language) => language === asked);
  if (named !== undefined) return named;
  const preferred = (headers.get("accept-language") ?? "")
    .split(",")
    .map((part) => part.trim().slice(0, 2).toLowerCase());
  return (
    preferred.map((code) => LANGUAGES.find((language) => language === code)).find((known) => known !== undefined) ??
    "en"
  );
}
