/**
 * What crosses between the threads: steps and their results as arrays of plain values.
 *
 * A refresh goes by hand, as one flat array of numbers and strings each way: 2 µs for both, where the same as nested
 * objects with bytes takes 12. Bytes travel as latin1 text, because each small ArrayBuffer is cloned at the price of a
 * long string, and because a Buffer may be a view into a pool of 64 KiB that would be cloned along.
 */
import type { Actor } from "../../audit/event.ts";
import type { Standing } from "../../grants/grant.ts";
import type { RefreshRefusal } from "../../grants/refresh-rule.ts";
import type { UseOutcome } from "../../grants/store.ts";
import { asId } from "../../prelude/ids.ts";
import type { UserState } from "../../users/user.ts";
import { bytes, bytesOrNull, integer, integerOrNull, list, type Row, text, textOrNull } from "../sql/columns.ts";
import { GRANT, grantOf, grantRow, SESSION, sessionOf, sessionRow } from "../sql/tables.ts";
import type { StepArguments, StepName, StepResult } from "../steps.ts";

/** A step under way: its name, the time at which it was asked for, and its arguments. */
export type Sent = readonly [name: StepName, now: number, args: readonly unknown[]];

interface Codec<Name extends StepName> {
  readonly sendArguments: (args: StepArguments<Name>) => readonly unknown[];
  readonly receiveArguments: (args: readonly unknown[]) => StepArguments<Name>;
  readonly sendResult: (result: StepResult<Name>) => unknown;
  readonly receiveResult: (result: unknown) => StepResult<Name>;
}

/** Plain data as it is, but for bytes: alone in their buffer on the way, a Buffer at the end. */
const plain: Codec<StepName> = {
  sendArguments: (args) => mapBytes(args, (view) => new Uint8Array(view)) as readonly unknown[],
  receiveArguments: (args) => mapBytes(args, asBuffer) as StepArguments<StepName>,
  sendResult: (result) => mapBytes(result, (view) => new Uint8Array(view)),
  receiveResult: (result) => mapBytes(result, asBuffer) as StepResult<StepName>,
};

function asBuffer(view: Uint8Array): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

function mapBytes(value: unknown, map: (view: Uint8Array) => Uint8Array): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return map(value);
  if (Array.isArray(value)) return value.map((item) => mapBytes(item, map));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, mapBytes(field, map)]));
}

function actorOf(row: Row, at: number): Actor {
  const kind = text(row, at) as Actor["kind"];
  if (kind === "client") return { kind, id: asId("client", text(row, at + 1)) };
  return kind === "user" || kind === "administrator" ? { kind, id: asId("user", text(row, at + 1)) } : { kind };
}

const flatUse: Codec<"use"> = {
  sendArguments: ([presented, settings, cause]) => [
    presented.secretId.toString("latin1"),
    presented.generation,
    presented.client,
    presented.proof === null ? null : presented.proof.toString("latin1"),
    presented.device,
    presented.macKey,
    presented.requiredRole,
    presented.listSeed === null ? null : presented.listSeed.toString("latin1"),
    settings.graceMs,
    settings.idleMs,
    cause.actor.kind,
    "id" in cause.actor ? cause.actor.id : null,
    cause.address,
    cause.requestId,
  ],
  receiveArguments: (args) => {
    const row = args as Row;
    const device = textOrNull(row, 4);
    return [
      {
        secretId: bytes(row, 0),
        generation: integer(row, 1),
        client: asId("client", text(row, 2)),
        proof: bytesOrNull(row, 3),
        device: device === null ? null : asId("device", device),
        macKey: integer(row, 5),
        requiredRole: textOrNull(row, 6),
        listSeed: bytesOrNull(row, 7),
      },
      { graceMs: integer(row, 8), idleMs: integer(row, 9) },
      { actor: actorOf(row, 10), address: textOrNull(row, 12), requestId: textOrNull(row, 13) },
    ];
  },
  sendResult: (outcome) => {
    if (!outcome.allow) return outcome.refusal;
    const { grant, session, user, position, slot } = outcome.standing;
    const flat: unknown[] = [outcome.how, position.epoch, position.seq, slot?.list ?? null, slot?.idx ?? null];
    flat.push(...grantRow(grant), ...sessionRow(session));
    flat.push(session.lastSeenAt, session.idleExpiresAt, user.id, user.state, JSON.stringify(user.roles));
    for (let at = HEAD; at < flat.length; at += 1) {
      const value = flat[at];
      if (value instanceof Uint8Array) flat[at] = asBuffer(value).toString("latin1");
    }
    return flat;
  },
  receiveResult: (result) => {
    if (!Array.isArray(result)) return { allow: false, refusal: result as RefreshRefusal };
    const row = result as Row;
    const inList = integerOrNull(row, 3);
    const account = HEAD + GRANT.count + SESSION.count + 2;
    const standing: Standing = {
      grant: grantOf(row, HEAD),
      session: sessionOf(row, HEAD + GRANT.count),
      user: {
        id: asId("user", text(row, account)),
        state: text(row, account + 1) as UserState,
        roles: list(row, account + 2),
      },
      position: { epoch: integer(row, 1), seq: integer(row, 2) },
      slot: inList === null ? null : { list: inList, idx: integer(row, 4) },
    };
    return { allow: true, how: text(row, 0) as (UseOutcome & { allow: true })["how"], standing };
  },
};
/** How, epoch, seq, list, index. */
const HEAD = 5;

/** The codec of a step. The table's type knows which belongs to which name, the name here does not. */
export function codecOf<Name extends StepName>(name: Name): Codec<Name> {
  return (name === "use" ? flatUse : plain) as unknown as Codec<Name>;
}
