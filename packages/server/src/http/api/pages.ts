/** The pages that people read: `/` and `/docs`. They are loaded when somebody asks for one. */
import { z } from "zod";
import type { Page } from "../../pages/page.ts";
import type { Entry } from "../../pages/reference.ts";
import { problemsOf } from "../openapi.ts";
import { PROBLEMS } from "../problem.ts";
import { type Reply, text } from "../reply.ts";
import { open, type Route } from "../route.ts";

const query = z.object({ lang: z.string().optional() });

function answerWith({ html, headers }: Page): Reply {
  return text(html, headers);
}

function schemaText(schema: z.ZodType | null): string | null {
  if (schema === null) return null;
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return JSON.stringify(rest, null, 2);
}

function entryOf(route: Route): Entry {
  const { group, method, path, summary, access, answer } = route;
  return {
    group,
    method,
    path,
    summary,
    access,
    body: schemaText(route.body),
    status: answer.status,
    says: answer.says,
    answer: schemaText(answer.schema),
    refusals: problemsOf(route).map((code) => ({ code, status: PROBLEMS[code].status, detail: PROBLEMS[code].detail })),
  };
}

export function pageRoutes(
  described: readonly Route[],
  options: { readonly issuer: string; readonly version: string; readonly signup: "open" | "closed" },
): readonly Route[] {
  const answer = { status: 200, schema: null, says: "A page." };
  return [
    open(
      { method: "GET", path: "/", group: "Pages", summary: "What runs here", query, answer },
      async ({ query: { lang }, headers }) => {
        const [{ languageOf }, { homePage }] = await Promise.all([
          import("../../pages/page.ts"),
          import("../../pages/home.ts"),
        ]);
        return answerWith(await homePage(languageOf(lang, headers), options));
      },
    ),
    open(
      { method: "GET", path: "/docs", group: "Pages", summary: "The API reference", query, answer },
      async ({ query: { lang }, headers }) => {
        const [{ languageOf }, { referencePage }] = await Promise.all([
          import("../../pages/page.ts"),
          import("../../pages/reference.ts"),
        ]);
        return answerWith(await referencePage(languageOf(lang, headers), described.map(entryOf), `${options.issuer}/`));
      },
    ),
  ];
}
