/**
 * The words of Shared Signals (OpenID Shared Signals Framework 1.0, CAEP 1.0): what an event is called on the wire. A name
 * here is a URI there, and nothing else in this server writes such a URI.
 */

const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
const SSF = "https://schemas.openid.net/secevent/ssf/event-type/";

/** What a stream can tell (CAEP 1.0 §3). */
export const EVENT_TYPES = {
  "session-revoked": `${CAEP}session-revoked`,
  "credential-change": `${CAEP}credential-change`,
  "token-claims-change": `${CAEP}token-claims-change`,
} as const;
export type EventName = keyof typeof EVENT_TYPES;

/** What a stream says of itself, asked for or not (SSF 1.0 §8.1.4, §8.1.5). */
export const CONTROL_TYPES = {
  verification: `${SSF}verification`,
  "stream-updated": `${SSF}stream-updated`,
} as const;
export type ControlName = keyof typeof CONTROL_TYPES;

/** How events travel (SSF 1.0 §6.1). */
export const METHODS = { push: "urn:ietf:rfc:8935", poll: "urn:ietf:rfc:8936" } as const;

/** The type of a signed event (RFC 8417 §2.3), and of the body that carries one (RFC 8935 §2.1). */
export const SET_TYPE = "secevent+jwt";
