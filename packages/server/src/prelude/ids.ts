/**
 * Branded identifiers: strings that only the right maker can make. 128 random bits behind a prefix that says what the
 * id names, so that one found in a log or a ticket explains itself.
 */
import type { Random } from "./world.ts";

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

export type UserId = Id<"user">;
export type SessionId = Id<"session">;
/** The public id of a grant (`gid`). The secret one stands only inside the refresh token: see tokens/refresh-token.ts. */
export type GrantId = Id<"grant">;
export type ClientId = Id<"client">;
export type DeviceId = Id<"device">;
/** One connection of one verifier process, or one process that was given a ticket for relays. */
export type InstanceId = Id<"instance">;
/** One process of `mapae relay`. */
export type RelayId = Id<"relay">;
export type WebhookId = Id<"webhook">;
/** One process that serves a shared database. */
export type NodeId = Id<"node">;
/** Of an event stream that this server transmits (ssf/stream.ts). */
export type StreamId = Id<"stream">;
/** Of what this server receives from another transmitter (ssf/receiver.ts). */
export type ReceiverId = Id<"receiver">;

const PREFIX = {
  user: "usr_",
  session: "ses_",
  grant: "grt_",
  client: "cli_",
  device: "dev_",
  instance: "ins_",
  ticket: "tkt_",
  relay: "rly_",
  webhook: "whk_",
  node: "nod_",
  stream: "str_",
  receiver: "rcv_",
} as const;
type Named = {
  user: UserId;
  session: SessionId;
  grant: GrantId;
  client: ClientId;
  device: DeviceId;
  instance: InstanceId;
  ticket: InstanceId;
  relay: RelayId;
  webhook: WebhookId;
  node: NodeId;
  stream: StreamId;
  receiver: ReceiverId;
};

/** A fresh id, e.g. `ses_0J3k…`: the prefix and 22 characters of base64url (128 random bits). */
export function newId<Name extends keyof Named>(name: Name, random: Random): Named[Name] {
  return `${PREFIX[name]}${random.bytes(16).toString("base64url")}` as Named[Name];
}

/** Whether an instance is one that was given a ticket, and not a connection. */
export function isTicketId(id: InstanceId): boolean {
  return id.startsWith(PREFIX.ticket);
}

/** A string from outside as an id: any text is one, since an id that nobody made simply names nothing. */
export function asId<Name extends keyof Named>(_name: Name, text: string): Named[Name] {
  return text as Named[Name];
}
