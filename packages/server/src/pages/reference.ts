/** `/docs`: the API reference, from the table of routes. */
import { html } from "hono/html";
import { type Language, type Page, page } from "./page.ts";

/** What the reference tells of one route. */
export interface Entry {
  readonly group: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly access:
    | "anyone"
    | "account"
    | "admin"
    | "revoker"
    | "verifier"
    | "follower"
    | "provider"
    | "metrics"
    | "operator";
  /** JSON Schema of the body. */
  readonly body: string | null;
  readonly status: number;
  readonly says: string;
  /** JSON Schema of what a success answers. */
  readonly answer: string | null;
  readonly refusals: readonly { readonly status: number; readonly code: string; readonly detail: string }[];
}

const TEXT = {
  en: {
    title: "API reference",
    lead: "Every address of this server. Errors are RFC 9457 problem documents with a stable code.",
    access: {
      anyone: "no token",
      account: "access token",
      admin: "access token of the admin audience",
      revoker: "access token, or one of the admin audience",
      verifier: "a resource server's id and secret (HTTP Basic)",
      follower: "a resource server's id and secret (HTTP Basic), or its ticket (Bearer)",
      provider: "the credential that was made for the provider, as it was given to it",
      metrics: "loopback, or a credential",
      operator: "the local socket only",
    },
    body: "Body",
    answer: "Answer",
    refusals: "Refusals",
    back: "Back",
  },
  ko: {
    title: "API 문서",
    lead: "이 서버의 모든 주소. 오류는 바뀌지 않는 code를 가진 RFC 9457 문서입니다.",
    access: {
      anyone: "토큰 없음",
      account: "액세스 토큰",
      admin: "관리자용 액세스 토큰",
      revoker: "액세스 토큰, 또는 관리자용 액세스 토큰",
      verifier: "리소스 서버의 id와 secret (HTTP Basic)",
      follower: "리소스 서버의 id와 secret (HTTP Basic), 또는 티켓 (Bearer)",
      provider: "해당 제공자를 위해 만들어 전달한 자격 증명",
      metrics: "루프백 또는 자격 증명",
      operator: "로컬 소켓으로만",
    },
    body: "본문",
    answer: "응답",
    refusals: "거절",
    back: "처음으로",
  },
} as const;

export function referencePage(language: Language, entries: readonly Entry[], home: string): Promise<Page> {
  const text = TEXT[language];
  const groups = Map.groupBy(entries, ({ group }) => group);
  const other = language === "en" ? "?lang=ko" : "?lang=en";
  return page(
    language,
    text.title,
    other,
    html`<h1>${text.title}</h1>
<p>${text.lead} <a href="${home}">${text.back}</a> · <a href="${home}openapi.json">OpenAPI 3.1</a></p>
${[...groups].map(([group, rows]) => html`<h2>${group}</h2>${rows.map((row) => entry(row, text))}`)}`,
  );
}

function entry(row: Entry, text: (typeof TEXT)[Language]) {
  const id = `${row.method}-${row.path}`.replace(/[^a-zA-Z0-9]+/g, "-").toLowerCase();
  return html`<section id="${id}">
<h3><span class="method">${row.method}</span> <code>${row.path}</code></h3>
<p>${row.summary}. <span class="quiet">${text.access[row.access]}</span></p>
<p><strong>${row.status}</strong> ${row.says}</p>
${schema(text.body, row.body)}${schema(text.answer, row.answer)}
<details><summary>${text.refusals}</summary><table>
${row.refusals.map(({ status, code, detail }) => html`<tr><td>${status}</td><td><code>${code}</code></td><td>${detail}</td></tr>`)}
</table></details>
</section>`;
}

function schema(title: string, text: string | null) {
  return text === null ? "" : html`<details><summary>${title}</summary><pre><code>${text}</code></pre></details>`;
}
