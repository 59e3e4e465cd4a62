/** For those who run it: is it alive, is it ready, what does it measure. */
import { z } from "zod";
import { Unavailable } from "../../prelude/fault.ts";
import { problem } from "../problem.ts";
import { json, text as reply } from "../reply.ts";
import { open, type Route } from "../route.ts";

export interface OperationsServices {
  /** Throws `Unavailable` where the store does not answer, or what else the server stands on. */
  readonly check: () => Promise<void>;
  /** What that means to whoever asks. */
  readonly unready?: () => string;
  /** Whether the server is shutting down: load balancers should send no more. */
  readonly draining: () => boolean;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
}

export function operationsRoutes(services: OperationsServices): readonly Route[] {
  return [
    open(
      {
        method: "GET",
        path: "/healthz",
        group: "Operations",
        summary: "The process is alive",
        answer: { status: 200, schema: null, says: "It is." },
      },
      async () => json(200, { status: "ok" }),
    ),
    open(
      {
        method: "GET",
        path: "/readyz",
        group: "Operations",
        summary: "The server can do its work",
        query: z.strictObject({
          draining: z.literal("404").optional().describe("how to say that it is stopping: HAProxy's disable-on-404"),
        }),
        answer: { status: 200, schema: null, says: "It can." },
        problems: ["unavailable", "not_found"],
      },
      async ({ query: { draining } }) => {
        const detail = "The server is stopping.";
        if (services.draining()) {
          return draining === "404"
            ? problem("not_found", { detail })
            : problem("unavailable", { detail, retryAfter: 5 });
        }
        try {
          await services.check();
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
          const detail = services.unready?.() ?? "The store does not answer.";
          return problem("unavailable", { detail, retryAfter: error.retryAfter });
        }
        return json(200, { status: "ready" });
      },
    ),
    {
      ...open(
        {
          method: "GET",
          path: "/metrics",
          group: "Operations",
          summary: "Measurements, for Prometheus",
          answer: { status: 200, schema: null, says: "Prometheus text format." },
          problems: ["forbidden"],
        },
        async () => {
          const { type, text } = await services.metrics();
          return reply(text, { "content-type": type, "cache-control": "no-store" });
        },
      ),
      access: "metrics",
    },
  ];
}
