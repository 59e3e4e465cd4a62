/** /openapi.json: OpenAPI 3.1 (JSON Schema 2020-12), from the same rows that route. */
import { z } from "zod";
import { PROBLEMS, type ProblemCode } from "./problem.ts";
import type { Access, Route } from "./route.ts";
import { setErrorStatus } from "./set-error.ts";
import { ssfStatus } from "./ssf-error.ts";

const ALWAYS: readonly ProblemCode[] = ["internal_error", "unavailable"];
const WITH_BODY: readonly ProblemCode[] = [
  "malformed_json",
  "malformed_request",
  "payload_too_large",
  "unsupported_media_type",
  "validation_failed",
];
const BY_ACCESS: Record<Access, readonly ProblemCode[]> = {
  anyone: [],
  account: ["missing_token", "invalid_token", "session_ended", "forbidden"],
  admin: ["missing_token", "invalid_token", "session_ended", "forbidden"],
  revoker: ["missing_token", "invalid_token", "session_ended", "forbidden"],
  verifier: ["invalid_client"],
  follower: ["invalid_client"],
  provider: [],
  metrics: ["forbidden"],
  operator: [],
};

const PROBLEM = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
const ERROR_CONTENT: Record<Route["style"], unknown> = {
  api: PROBLEM,
  ssf: PROBLEM,
  // RFC 8935 §2.3.
  secevent: {
    "application/json": {
      schema: {
        type: "object",
        required: ["err"],
        properties: { err: { type: "string" }, description: { type: "string" } },
      },
    },
  },
  // RFC 6749 §5.2.
  oauth: {
    "application/json": {
      schema: { type: "object", required: ["error"], properties: { error: { type: "string" } } },
    },
  },
};
const BODY_TYPES: Record<Route["style"], string> = {
  api: "application/json",
  ssf: "application/json",
  secevent: "application/secevent+jwt",
  oauth: "application/x-www-form-urlencoded",
};
const SECURITY: Record<Access, readonly Record<string, readonly string[]>[]> = {
  anyone: [],
  account: [{ bearer: [] }],
  admin: [{ bearer: [] }],
  revoker: [{ bearer: [] }],
  verifier: [{ resource_server: [] }],
  follower: [{ resource_server: [] }, { ticket: [] }],
  provider: [{ provider: [] }],
  metrics: [],
  operator: [],
};

const plain = (code: ProblemCode): number => PROBLEMS[code].status;
const STATUSES: Record<Route["style"], (code: ProblemCode) => number> = {
  api: plain,
  oauth: plain,
  ssf: ssfStatus,
  secevent: setErrorStatus,
};

/** Every refusal that a route can give. */
export function problemsOf(route: Route): readonly ProblemCode[] {
  const query: readonly ProblemCode[] = route.query === null ? [] : ["validation_failed"];
  const body = route.body === null ? query : WITH_BODY;
  return [...new Set([...route.problems, ...body, ...BY_ACCESS[route.access], ...ALWAYS])];
}

function schemaOf(schema: z.ZodType): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}

function responsesOf(route: Route): Record<string, unknown> {
  const { answer } = route;
  const content =
    answer.schema === null ? {} : { content: { "application/json": { schema: schemaOf(answer.schema) } } };
  const responses: Record<string, unknown> = { [answer.status]: { description: answer.says, ...content } };
  const statusOf = (code: ProblemCode) => STATUSES[route.style](code);
  const byStatus = Map.groupBy(problemsOf(route), statusOf);
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].detail}`).join("\n\n"),
      content: ERROR_CONTENT[route.style],
    };
  }
  return responses;
}

function parametersOf(route: Route): unknown[] {
  const path = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  if (route.query === null) return path;
  const { properties = {}, required = [] } = z.toJSONSchema(route.query, { io: "input" });
  const query = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
  return [...path, ...query];
}

export function openApi(
  routes: readonly Route[],
  server: { issuer: string; version: string },
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    if (route.group === "Pages") continue;
    const operation = {
      tags: [route.group],
      summary: route.summary,
      operationId: `${route.method.toLowerCase()}${route.path.replace(/[^a-zA-Z0-9]+(\w?)/g, (_, letter: string) => letter.toUpperCase())}`,
      parameters: parametersOf(route),
      ...(route.body === null
        ? {}
        : {
            requestBody: { required: true, content: { [BODY_TYPES[route.style]]: { schema: schemaOf(route.body) } } },
          }),
      responses: responsesOf(route),
      security: SECURITY[route.access],
    };
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Mapae",
      version: server.version,
      description: "Accounts, sessions and access tokens that every server verifies offline.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: server.issuer }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        resource_server: { type: "http", scheme: "basic" },
        ticket: { type: "http", scheme: "bearer" },
        provider: { type: "http", scheme: "bearer" },
      },
      schemas: {
        Problem: {
          type: "object",
          description: "RFC 9457. `code` is stable.",
          required: ["type", "title", "status", "code", "detail"],
          properties: {
            type: { type: "string" },
            title: { type: "string" },
            status: { type: "integer" },
            code: { type: "string", enum: Object.keys(PROBLEMS) },
            detail: { type: "string" },
          },
        },
      },
    },
  };
}
