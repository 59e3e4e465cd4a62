/** `/`: what runs here and what to try first. */
import { html } from "hono/html";
import { type Language, type Page, page } from "./page.ts";

const TEXT = {
  en: {
    title: "Mapae: a login server",
    lead: "Accounts, sessions, and access tokens that every server verifies offline, and that still die at once when they are revoked.",
    issuer: "Issuer",
    version: "Version",
    signup: "Sign-up",
    state: { open: "open: anyone may make an account", closed: "closed" },
    first: "Try it",
    steps: [
      "Sign up.",
      "Log in. The answer holds an access token and a refresh token.",
      "Ask who you are, with the access token.",
      "See your devices, and log one out.",
    ],
    more: "More",
    reference: "API reference",
    keys: "Public keys",
    metadata: "Metadata",
    ready: "Readiness",
  },
  ko: {
    title: "마패: 로그인 서버",
    lead: "계정과 세션, 그리고 모든 서버가 스스로 검증하지만 폐기하면 곧바로 죽는 액세스 토큰.",
    issuer: "발급자",
    version: "버전",
    signup: "회원가입",
    state: { open: "열림: 누구나 가입할 수 있습니다", closed: "닫힘" },
    first: "시작하기",
    steps: [
      "회원가입을 합니다.",
      "로그인합니다. 응답에 액세스 토큰과 리프레시 토큰이 있습니다.",
      "액세스 토큰으로 내가 누구인지 묻습니다.",
      "내 기기 목록을 보고, 하나를 로그아웃시킵니다.",
    ],
    more: "더 보기",
    reference: "API 문서",
    keys: "공개키",
    metadata: "메타데이터",
    ready: "준비 상태",
  },
} as const;

export interface HomeFacts {
  readonly issuer: string;
  readonly version: string;
  readonly signup: "open" | "closed";
}

export function homePage(language: Language, facts: HomeFacts): Promise<Page> {
  const text = TEXT[language];
  const { issuer } = facts;
  const json = "-H 'content-type: application/json'";
  const who = `'{"identifier":"kdw","password":"a long passphrase"}'`;
  const bearer = '-H "authorization: Bearer $ACCESS_TOKEN"';
  const commands = [
    `curl ${issuer}/v1/users ${json} \\\n  -d ${who}`,
    `curl ${issuer}/v1/sessions ${json} \\\n  -d ${who}`,
    `curl ${issuer}/v1/me ${bearer}`,
    `curl ${issuer}/v1/sessions ${bearer}\ncurl -X DELETE ${issuer}/v1/sessions/$SESSION_ID ${bearer}`,
  ];
  const other = language === "en" ? "?lang=ko" : "?lang=en";
  return page(
    language,
    text.title,
    other,
    html`<h1>${text.title}</h1>
<p>${text.lead}</p>
<table>
<tr><th>${text.issuer}</th><td><code id="issuer">${issuer}</code></td></tr>
<tr><th>${text.version}</th><td>${facts.version}</td></tr>
<tr><th>${text.signup}</th><td>${text.state[facts.signup]}</td></tr>
</table>
<h2>${text.first}</h2>
${text.steps.map((step, index) => html`<h3>${index + 1}. ${step}</h3><pre><code>${commands[index]}</code></pre>`)}
<h2>${text.more}</h2>
<p><a id="reference" href="${issuer}/docs">${text.reference}</a> · <a href="${issuer}/openapi.json">OpenAPI</a> ·
<a href="${issuer}/.well-known/jwks.json">${text.keys}</a> ·
<a href="${issuer}/.well-known/oauth-authorization-server">${text.metadata}</a> ·
<a href="${issuer}/readyz">${text.ready}</a></p>`,
  );
}
