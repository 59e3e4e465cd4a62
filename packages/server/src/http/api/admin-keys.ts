/** `/v1/admin/keys`: the signing keys. Retiring harms nobody; revoking refuses every token that the key signed. */
import { z } from "zod";
import type { Confirming } from "../../feed/confirming.ts";
import type { KeyRefusal, Keyring, TooYoung } from "../../keys/keyring.ts";
import { KEY_STATES, type SigningKeyRecord } from "../../keys/signing-key.ts";
import { problem } from "../problem.ts";
import { json, noContent, type Reply } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { ended, waitQuery } from "./confirmation.ts";
import { time } from "./views.ts";

export const keySchema = z.object({
  kid: z.string(),
  alg: z.string(),
  state: z.enum(KEY_STATES),
  created_at: z.iso.datetime(),
  activated_at: z.iso.datetime().nullable(),
  retired_at: z.iso.datetime().nullable(),
  public_jwk: z.record(z.string(), z.unknown()).nullable(),
});

export function keyView(key: SigningKeyRecord): z.infer<typeof keySchema> {
  return {
    kid: key.kid,
    alg: key.alg,
    state: key.state,
    created_at: time(key.createdAt),
    activated_at: key.activatedAt === null ? null : time(key.activatedAt),
    retired_at: key.retiredAt === null ? null : time(key.retiredAt),
    public_jwk: key.publicJwk,
  };
}

function answer(refusal: KeyRefusal | null, now: number): Reply {
  if (refusal === null) return noContent();
  if (refusal === "not_found") return problem("not_found");
  if (refusal !== "not_possible") return notYet(refusal, now);
  return problem("conflict", {
    detail: "Only the active key can be retired, and a shared secret only by configuring another.",
  });
}

function notYet({ knownFrom }: TooYoung, now: number): Reply {
  const retryAfter = Math.ceil((knownFrom - now) / 1000);
  const detail =
    `The key that would sign is too new: a verifier that cached the key set may not know it for another ${retryAfter} ` +
    "seconds, and refuse its tokens. Wait as long, or say `now`.";
  return problem("conflict", { detail, retryAfter });
}

const haste = { now: z.boolean().optional().describe("also where verifiers may not know the key that would sign") };

export function adminKeyRoutes(
  { keyring, confirming }: { readonly keyring: Keyring; readonly confirming: Confirming },
  now: () => number,
): readonly Route[] {
  const group = "Administration";
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/keys",
        group,
        summary: "Signing keys",
        answer: { status: 200, schema: z.object({ keys: z.array(keySchema) }), says: "All keys that are remembered." },
      },
      async () => json(200, { keys: keyring.records().map(keyView) }),
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/keys/rotate",
        group,
        summary: "Rotate: the upcoming key signs from now on",
        body: z.strictObject(haste),
        answer: { status: 200, schema: z.object({ key: keySchema }), says: "The key that signs now." },
        problems: ["conflict"],
      },
      async ({ body, cause }) => {
        const rotated = await keyring.rotate(cause, body.now === true);
        return "knownFrom" in rotated ? notYet(rotated, now()) : json(200, { key: keyView(rotated) });
      },
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/keys/{kid}/retire",
        group,
        summary: "Retire: stop a key from signing; its tokens stay good",
        body: z.strictObject(haste),
        answer: { status: 204, schema: null, says: "It signs no more." },
        problems: ["not_found", "conflict"],
      },
      async ({ params, body, cause }) =>
        answer(await keyring.retire(params.kid ?? "", cause, body.now === true), now()),
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/keys/{kid}/revoke",
        group,
        summary: "Revoke: refuse every token that a key signed",
        body: z.strictObject({
          confirm: z
            .string()
            .describe("the key's `kid` again: it logs out nobody, but every access token of the key dies"),
        }),
        query: z.strictObject(waitQuery),
        answer: {
          status: 204,
          schema: null,
          says: "Its tokens are refused. With `wait=all`: 200, and how far that has come.",
        },
        problems: ["not_found", "conflict"],
      },
      async ({ params, body, query, cause }) => {
        const kid = params.kid ?? "";
        if (body.confirm !== kid) {
          const faults = [{ pointer: "/confirm", detail: "must be the key's `kid`" }];
          return problem("validation_failed", { members: { faults } });
        }
        const refusal = await keyring.revoke(kid, cause);
        return refusal === null ? ended(confirming, query, true) : answer(refusal, now());
      },
    ),
  ];
}
