/**
 * Another provider's transmitter, as this server speaks to it: where it has what (SSF 1.0 §7), the stream there (§8.1),
 * verification, and polling (RFC 8936). Every address that it names is judged like any other (delivery/target.ts), and
 * nothing of its answers is believed beyond what stands here.
 */
import { parseJsonObject } from "@mapae/verifier/jose";
import type { Called, Caller } from "../delivery/call.ts";
import { faultOfTarget, type MayReach } from "../delivery/target.ts";
import type { Secret } from "../prelude/secret.ts";
import { METHODS } from "./event.ts";
import type { ReceivedStream, TransmitterFacts } from "./receiver.ts";

type JsonObject = Readonly<Record<string, unknown>>;
/** What was asked for, or in a few words why not. */
export type Found<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** How the stream is to be, where one is made. */
export interface StreamRequest {
  readonly events: readonly string[];
  readonly description: string;
  /** `null`: it is polled. */
  readonly push: { readonly url: string; readonly authorization: Secret } | null;
}

/** RFC 8936 §2.2. */
export interface PollRequest {
  readonly ack: readonly string[];
  readonly refused: ReadonlyMap<string, { readonly err: string; readonly description: string }>;
  readonly most: number;
}

/** Signed events, by the names that the provider gave them. */
export type Polled = ReadonlyMap<string, string>;

export interface Transmitter {
  discover(issuer: string, signal?: AbortSignal): Promise<Found<TransmitterFacts>>;
  createStream(
    issuer: string,
    endpoint: string,
    wish: StreamRequest,
    shown: Secret | null,
  ): Promise<Found<ReceivedStream>>;
  readStream(issuer: string, endpoint: string, id: string, shown: Secret | null): Promise<Found<ReceivedStream>>;
  deleteStream(endpoint: string, id: string, shown: Secret | null): Promise<Found<null>>;
  verify(endpoint: string, id: string, state: string, shown: Secret | null, signal?: AbortSignal): Promise<Found<null>>;
  /** `null`: it was called off. */
  poll(url: string, request: PollRequest, shown: Secret | null, signal: AbortSignal): Promise<Found<Polled> | null>;
}

const TIMEOUT_MS = 10_000;
/** Longer than a transmitter lets a poll wait. */
const POLL_TIMEOUT_MS = 60_000;
const MOST_BYTES = 64 * 1024;
const MOST_POLLED_BYTES = 2 * 1024 * 1024;
/** What all but a poll may take. */
const FEW = { most: MOST_BYTES, timeoutMs: TIMEOUT_MS };
const NEVER = new AbortController().signal;

const no = (why: string): { readonly ok: false; readonly why: string } => ({ ok: false, why });

/** What went wrong, as it can be told to an operator. */
function whyOf(called: Called): string {
  return called.answered ? `status ${called.status}` : called.fault;
}

/** SSF 1.0 §7.2: between the host and the path. */
export function configurationUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, "")}`;
}

const texts = (value: unknown): readonly string[] =>
  typeof value === "string" ? [value] : Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];

export function createTransmitter(caller: Caller, mayReach: MayReach): Transmitter {
  const ask = async (
    method: "GET" | "POST" | "DELETE",
    url: string,
    body: unknown,
    shown: Secret | null,
    limits: { readonly most: number; readonly timeoutMs: number } = FEW,
    signal: AbortSignal = NEVER,
  ): Promise<Called | null> => {
    if (faultOfTarget(url, mayReach) !== null) return { answered: false, fault: "refused_target" };
    const headers = {
      accept: "application/json",
      ...(body === null ? {} : { "content-type": "application/json" }),
      ...(shown === null ? {} : { authorization: shown.reveal() }),
    };
    return caller.call({ method, url, headers, body: body === null ? null : JSON.stringify(body), ...limits }, signal);
  };

  /** The object in an answer of the status wanted. */
  const objectIn = (called: Called | null, status: number): Found<JsonObject> => {
    if (called === null) return no("it was called off");
    if (!called.answered || called.status !== status) return no(whyOf(called));
    const value = called.body === null ? null : parseJsonObject(called.body);
    return value === null ? no("its answer is no JSON object") : { ok: true, value };
  };

  const streamIn = (answer: Found<JsonObject>, issuer: string, made: boolean): Found<ReceivedStream> => {
    if (!answer.ok) return answer;
    const { stream_id: id, iss, aud, delivery } = answer.value;
    // SSF 1.0 §8.1.1.1: it must be the issuer that was asked.
    if (iss !== issuer) return no("its stream is of another issuer");
    const audience = texts(aud);
    if (typeof id !== "string" || id === "" || audience.length === 0) return no("its stream has no id or no audience");
    const { method, endpoint_url: url } =
      typeof delivery === "object" && delivery !== null ? (delivery as JsonObject) : {};
    if (method === METHODS.push) return { ok: true, value: { id, audience, pollUrl: null, made } };
    if (method !== METHODS.poll || typeof url !== "string") return no("its stream is neither pushed nor polled");
    const fault = faultOfTarget(url, mayReach);
    return fault === null
      ? { ok: true, value: { id, audience, pollUrl: url, made } }
      : no(`its poll endpoint ${fault}`);
  };

  return {
    discover: async (issuer, signal = NEVER) => {
      const fault = faultOfTarget(issuer, mayReach);
      if (fault !== null) return no(`the issuer ${fault}`);
      const answer = objectIn(await ask("GET", configurationUrl(issuer), null, null, FEW, signal), 200);
      if (!answer.ok) return no(`its ssf-configuration cannot be had: ${answer.why}`);
      const { value } = answer;
      // SSF 1.0 §7.2.4.
      if (value.issuer !== issuer) return no("its ssf-configuration names another issuer");
      const endpoint = (name: string): string | null => (typeof value[name] === "string" ? String(value[name]) : null);
      const jwksUri = endpoint("jwks_uri");
      if (jwksUri === null) return no("its ssf-configuration has no jwks_uri");
      const found = {
        jwksUri,
        configurationEndpoint: endpoint("configuration_endpoint"),
        verificationEndpoint: endpoint("verification_endpoint"),
        criticalMembers: texts(value.critical_subject_members),
      };
      for (const url of [jwksUri, found.configurationEndpoint, found.verificationEndpoint]) {
        const wrong = url === null ? null : faultOfTarget(url, mayReach);
        if (wrong !== null) return no(`an address in its ssf-configuration ${wrong}`);
      }
      return { ok: true, value: found };
    },
    createStream: async (issuer, endpoint, { events, description, push }, shown) => {
      const delivery =
        push === null
          ? { method: METHODS.poll }
          : { method: METHODS.push, endpoint_url: push.url, authorization_header: push.authorization.reveal() };
      const called = await ask("POST", endpoint, { delivery, events_requested: events, description }, shown);
      if (called?.answered === true && called.status === 409) return no("it has a stream for this server already");
      const stream = streamIn(objectIn(called, 201), issuer, true);
      if (!stream.ok) return no(`it made no stream: ${stream.why}`);
      if ((stream.value.pollUrl === null) !== (push !== null)) return no("it made a stream of another kind");
      return stream;
    },
    readStream: async (issuer, endpoint, id, shown) => {
      const url = new URL(endpoint);
      url.searchParams.set("stream_id", id);
      const stream = streamIn(objectIn(await ask("GET", url.href, null, shown), 200), issuer, false);
      return stream.ok ? stream : no(`its stream cannot be read: ${stream.why}`);
    },
    deleteStream: async (endpoint, id, shown) => {
      const url = new URL(endpoint);
      url.searchParams.set("stream_id", id);
      const called = await ask("DELETE", url.href, null, shown);
      if (called === null) return no("it was called off");
      // A stream that is not there is what was wanted.
      const gone = called.answered && [200, 204, 404].includes(called.status);
      return gone ? { ok: true, value: null } : no(whyOf(called));
    },
    verify: async (endpoint, id, state, shown, signal = NEVER) => {
      const called = await ask("POST", endpoint, { stream_id: id, state }, shown, FEW, signal);
      if (called === null) return no("it was called off");
      return called.answered && called.status === 204 ? { ok: true, value: null } : no(whyOf(called));
    },
    poll: async (url, { ack, refused, most }, shown, signal) => {
      const body = {
        maxEvents: most,
        returnImmediately: false,
        ...(ack.length === 0 ? {} : { ack }),
        ...(refused.size === 0 ? {} : { setErrs: Object.fromEntries(refused) }),
      };
      const limits = { most: MOST_POLLED_BYTES, timeoutMs: POLL_TIMEOUT_MS };
      const called = await ask("POST", url, body, shown, limits, signal);
      if (called === null) return null;
      const answer = objectIn(called, 200);
      if (!answer.ok) return answer;
      const { sets } = answer.value;
      if (typeof sets !== "object" || sets === null || Array.isArray(sets)) return no("its answer has no sets");
      const named = Object.entries(sets).filter((entry): entry is [string, string] => typeof entry[1] === "string");
      return { ok: true, value: new Map(named) };
    },
  };
}
