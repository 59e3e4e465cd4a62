/**
 * Sessions and grants as the store holds them, and back. What never changes of one is one JSON text, by places and without
 * names, since there is one of each log-in in the store and with `replicated` on every server; what changes, and what the
 * programs look at, are fields of their own (lua.ts).
 */
import type { Grant } from "../../grants/grant.ts";
import { asId } from "../../prelude/ids.ts";
import type { EndReason, Position } from "../../revocation/entry.ts";
import type { Device, Session } from "../../sessions/session.ts";
import type { AccountCopy, LiveGrant, LiveSession } from "../live/live-store.ts";
import type { Ended } from "../rows.ts";
import type { Value } from "./connection.ts";

type Place = readonly [epoch: number, seq: number];

/** What never changes of a session, and of a grant. */
type FixedSession = readonly [
  id: string,
  user: string,
  client: string,
  device: readonly [id: string, name: string, kind: Device["class"]],
  address: string | null,
  amr: readonly string[],
  createdAt: number,
  expiresAt: number,
  version: number,
  born: Place,
];
type FixedGrant = readonly [
  id: string,
  client: string,
  scope: readonly string[],
  rotates: 0 | 1,
  ends: Grant["policy"]["replayEnds"],
  createdAt: number,
  born: Place,
];
interface Copied {
  readonly roles: readonly string[];
  readonly at: Place;
}

const place = ({ epoch, seq }: Position): Place => [epoch, seq];
const position = ([epoch, seq]: Place): Position => ({ epoch, seq });

export type Reply = readonly (string | null)[];

export function accountText({ roles, at }: AccountCopy): string {
  return JSON.stringify({ roles, at: place(at) } satisfies Copied);
}

function fixedSession({ session, born, credentialVersion }: LiveSession): string {
  const { id, user, client, device, address, amr, createdAt, expiresAt } = session;
  const by = [device.id, device.name, device.class] as const;
  const fixed: FixedSession = [
    ...([id, user, client, by, address, amr, createdAt, expiresAt] as const),
    ...([credentialVersion, place(born)] as const),
  ];
  return JSON.stringify(fixed);
}

function fixedGrant(grant: Grant, born: Position): string {
  const { id, client, scope, policy, createdAt } = grant;
  const fixed: FixedGrant = [id, client, scope, policy.rotates ? 1 : 0, policy.replayEnds, createdAt, place(born)];
  return JSON.stringify(fixed);
}

export const secretText = (secretId: Buffer): string => secretId.toString("base64url");
export const proofText = (proof: Buffer | null): string => proof?.toString("base64url") ?? "";

/** What a refresh changes of a grant, in the order of the program `write`. */
export function changing(grant: Grant): Value[] {
  const { generation, macKey, rotatedAt, proof, usedAt, idleExpiresAt } = grant;
  return [generation, macKey, rotatedAt, proofText(proof), usedAt, idleExpiresAt];
}

/** The arguments of `begin`, up to those about the other sessions. */
export function beginning(begun: Omit<LiveGrant, "revision">): Value[] {
  const { session, grant, born, grantBorn } = begun;
  return [
    ...[secretText(grant.secretId), grant.id, session.id, session.user],
    ...[fixedGrant(grant, grantBorn), grant.client, grant.policy.rotates ? 1 : 0, ...changing(grant)],
    ...[fixedSession(begun), session.expiresAt, session.createdAt, born.epoch, born.seq],
  ];
}

function endedOf(at: string | null | undefined, reason: string | null | undefined): Ended | null {
  return at === null || at === undefined || at === "" ? null : { at: Number(at), reason: (reason ?? "") as EndReason };
}

/** Six values: fixed, copy of the user, ended at, why, last use, idle expiry. */
export function sessionOf(reply: Reply): LiveSession {
  const [fixed, copied, endedAt, why, seen, idle] = reply;
  const [id, user, client, device, address, amr, createdAt, expiresAt, version, born] = JSON.parse(
    fixed ?? "",
  ) as FixedSession;
  const { roles, at } = JSON.parse(copied ?? "") as Copied;
  const session: Session = {
    ...{ id: asId("session", id), user: asId("user", user), client: asId("client", client) },
    device: { id: asId("device", device[0]), name: device[1], class: device[2] },
    ...{ address, amr, createdAt, expiresAt },
    ...{ lastSeenAt: Number(seen), idleExpiresAt: Number(idle), ended: endedOf(endedAt, why) },
  };
  return { session, born: position(born), credentialVersion: version, account: { roles, at: position(at) } };
}

/** The session's six values, then ten: fixed, generation, MAC key, rotated, proof, used, idle, revision, ended at, why. */
export function grantOf(secretId: Buffer, reply: Reply): LiveGrant {
  const live = sessionOf(reply);
  const [fixed, generation, macKey, rotatedAt, proof, usedAt, idle, revision, endedAt, why] = reply.slice(6);
  const [id, client, scope, rotates, ends, createdAt, born] = JSON.parse(fixed ?? "") as FixedGrant;
  const grant: Grant = {
    secretId: Buffer.from(secretId),
    ...{ id: asId("grant", id), session: live.session.id, client: asId("client", client), scope, createdAt },
    policy: { rotates: rotates === 1, replayEnds: ends },
    ...varying([generation, macKey, rotatedAt, proof, usedAt, idle]),
    ended: endedOf(endedAt, why),
  };
  return { ...live, grant, grantBorn: position(born), revision: Number(revision) };
}

/** What a refresh changes: generation, MAC key, rotated at, proof, used at, idle expiry. */
export function varying(
  reply: readonly (string | null | undefined)[],
): Pick<Grant, "generation" | "macKey" | "rotatedAt" | "proof" | "usedAt" | "idleExpiresAt"> {
  const [generation, macKey, rotatedAt, proof, usedAt, idle] = reply;
  return {
    ...{ generation: Number(generation), macKey: Number(macKey), rotatedAt: Number(rotatedAt) },
    proof: proof === "" || proof === null || proof === undefined ? null : Buffer.from(proof, "base64url"),
    ...{ usedAt: Number(usedAt), idleExpiresAt: Number(idle) },
  };
}
