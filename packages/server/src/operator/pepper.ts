/** The pepper, rotated by hand (admin/pepper.ts): beside a large user base a matter of minutes, during which all goes on. */
import { z } from "zod";
import { rotatePepper } from "../admin/pepper.ts";
import { json } from "../http/reply.ts";
import { operational, type Route } from "../http/route.ts";
import type { Operations } from "../server/server.ts";

export const pepperAnswerSchema = z.object({
  pepper: z.object({ key: z.number().int(), moved: z.number().int() }),
});

export function pepperRoute(operations: Operations): Route {
  const { storage } = operations;
  return operational(
    {
      method: "POST",
      path: "/v1/operator/pepper",
      group: "Operator",
      summary: "Rotate the pepper: encrypt every password hash under a new key",
      body: z.strictObject({}),
      answer: { status: 200, schema: pepperAnswerSchema, says: "The key, and how many hashes moved to it." },
    },
    async ({ cause }) => {
      const services = { ...operations, users: storage.users, audit: storage.audit };
      return json(200, { pepper: await rotatePepper(services, cause) });
    },
  );
}
