/** `mapae revoke …`: taking something back, and watching it arrive at every verifier. */
import { z } from "zod";
import { confirmationSchema } from "../../http/api/confirmation.ts";
import { parseDuration } from "../../prelude/duration.ts";
import { REVOCATION_KINDS, type RevocationKind } from "../../revocation/entry.ts";
import type { Operator } from "../connection.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import type { Output } from "../output.ts";
import { confirm } from "../prompt.ts";
import { lookUp } from "./users.ts";
import { when } from "./when.ts";

const watched = confirmationSchema.extend({ settled: z.boolean() });
type Confirmation = z.infer<typeof confirmationSchema>;

/** How often to look who has acknowledged. */
const LOOK_MS = 100;
/** What a wide one does, in the words of its prompt, and what is to be typed. */
const WIDE: Partial<Record<RevocationKind, { readonly says: (id: string) => string }>> = {
  client: { says: (id) => `This ends every grant of ${id}: all who use it must log in again.` },
  key: {
    says: (id) => `This refuses every access token that the key ${id} signed; apps get new ones at their next refresh.`,
  },
  all: { says: () => "This logs everybody out." },
};

function kindOf(text: string): RevocationKind {
  const kind = (Object.keys(REVOCATION_KINDS) as RevocationKind[]).find((known) => known === text);
  if (kind !== undefined) return kind;
  throw new CommandFailed(
    "usage",
    `there is no kind ${text}: it is one of ${Object.keys(REVOCATION_KINDS).join(", ")}`,
  );
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const ms = parseDuration(text);
  if (ms === undefined) throw new CommandFailed("usage", "--timeout is no duration: 500ms, 2s, 1m");
  return ms;
}

export const revoke: Command = async ({ given, output, keyboard, operate }) => {
  const kind = kindOf(given.required("kind"));
  const id = given.arg("id");
  const timeoutMs = timeoutOf(given.text("timeout"));
  if ((kind === "all") !== (id === undefined)) {
    throw new CommandFailed("usage", kind === "all" ? "`all` takes no id" : `which ${kind}? Give its id.`);
  }
  const wide = WIDE[kind];
  const typed = id ?? "everyone";
  if (wide !== undefined) await confirm(keyboard, given.flag("yes"), wide.says(typed), typed);
  return operate(async (operator) => {
    const named = kind === "user" && id !== undefined ? (await lookUp(operator, id)).id : id;
    const body = {
      kind,
      ...(named === undefined ? {} : { id: named }),
      ...(given.text("reason") === undefined ? {} : { reason: given.text("reason") }),
      ...(wide === undefined ? {} : { confirm: named ?? "everyone" }),
    };
    const begun = await operator.ask(confirmationSchema, { method: "POST", path: "/v1/revocations", body });
    if (!given.flag("wait")) {
      const { epoch, seq } = begun.position;
      output.result(begun, `written at ${epoch}.${seq}, and on its way to every verifier`);
      return exitCode("ok");
    }
    const last = await watch(operator, begun, timeoutMs, output);
    output.result(last, describe(last));
    return exitCode(last.confirmed ? "ok" : "unconfirmed");
  });
};

/** Looks on until nobody waits any more. */
async function watch(
  operator: Operator,
  begun: Confirmation,
  timeoutMs: number,
  output: Output,
): Promise<Confirmation> {
  const { epoch, seq } = begun.position;
  let now = begun;
  while (!now.confirmed && now.waited_ms < timeoutMs) {
    output.progress(progress(now));
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const seen = await operator.ask(watched, { method: "GET", path: `/v1/admin/revocations/${epoch}.${seq}` });
    const { settled, ...confirmation } = seen;
    now = confirmation;
    if (settled) break;
  }
  return now;
}

type Named = Confirmation["outstanding"][number];

function nameOf({ client_id, instance = "?", verifiers }: Named): string {
  return `${client_id} (${instance}${verifiers === undefined ? "" : `, for ${verifiers} behind it`})`;
}

/** How many verifiers were to acknowledge: behind relays too. */
function countOf({ acknowledged, outstanding }: Confirmation): number {
  return outstanding.reduce((count, { verifiers = 1 }) => count + verifiers, acknowledged);
}

function progress(confirmation: Confirmation): string {
  const { acknowledged, outstanding, waited_ms } = confirmation;
  const count = countOf(confirmation);
  const missing = outstanding.slice(0, 3).map(nameOf).join(", ");
  return `${acknowledged} of ${count} verifiers have acknowledged after ${seconds(waited_ms)}; waiting for ${missing || "leases of before the start"}`;
}

function describe(confirmation: Confirmation): string {
  const { confirmed, acknowledged, outstanding, unbound, waited_ms, everywhere_at } = confirmation;
  const count = countOf(confirmation);
  const took = seconds(waited_ms);
  const lines = [
    confirmed
      ? `confirmed after ${took}: no verifier accepts it any more; ${acknowledged} of ${count} acknowledged`
      : `not confirmed after ${took}: ${acknowledged} of ${count} verifiers acknowledged; it is on its way`,
  ];
  if (outstanding.length > 0) lines.push(`  did not acknowledge   ${outstanding.map(nameOf).join(", ")}`);
  if (unbound.length > 0)
    lines.push(`  may accept all the same, as their owners chose   ${unbound.map(nameOf).join(", ")}`);
  lines.push(`  over for those who know the key set alone   ${when(everywhere_at)}`);
  return lines.join("\n");
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}
