/**
 * One attempt over the network, inside bounds: one connection to an address that was judged, no redirect, so much time,
 * so much of an answer. What the receiver answers is not kept: its status says all.
 *
 *   name ──look up──► addresses ──each judged (target.ts)──► connect to one of exactly these
 */
import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { SetAlarm } from "../prelude/world.ts";
import { VERSION } from "../version.ts";
import type { Outcome } from "./attempt.ts";
import type { MayReach } from "./target.ts";

const TIMEOUT_MS = 10_000;
const MOST_HEADER_BYTES = 16_384;
/** Of the answer's body, so much is read to keep the connection for the next message; a longer one ends it. */
const MOST_ANSWER_BYTES = 65_536;
/** A connection is kept this long for the next message. */
const KEPT_MS = 5_000;

export interface Sent {
  readonly outcome: Outcome;
  readonly status: number | null;
}

/** Posts a body; resolves whatever happens, to `null` where it was called off. */
export type Send = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
) => Promise<Sent | null>;

export interface Sender {
  readonly send: Send;
  /** Ends the connections that are kept. */
  close(): void;
}

type LookUp = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

class RefusedTarget extends Error {
  override readonly name = "RefusedTarget";
}

/** A look-up that gives only addresses that may be reached, and none where one of them may not. */
function judging(mayReach: MayReach, lookUp: LookUp): LookupFunction {
  return (hostname, options, done) => {
    lookUp(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) {
        done(error ?? new Error("no address"), "", 0);
        return;
      }
      // One private address among public ones is a name that turns inward: none of them is taken.
      if (!addresses.every(({ address }) => mayReach(address))) done(new RefusedTarget("private address"), "", 0);
      else if (options.all === true) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };
}

/** @param lookUp as `dns.lookup` with `all` */
export function createSender(mayReach: MayReach, alarm: SetAlarm, lookUp: LookUp = lookup): Sender {
  const kept = { keepAlive: true, keepAliveMsecs: KEPT_MS, timeout: KEPT_MS, maxFreeSockets: 32 };
  const agents = { http: new HttpAgent(kept), https: new HttpsAgent(kept) };
  const judged = judging(mayReach, lookUp);

  const post = (url: URL, headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal) =>
    new Promise<Sent | "stale_connection" | null>((resolve) => {
      const secure = url.protocol === "https:";
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method: "POST",
        agent: secure ? agents.https : agents.http,
        lookup: judged,
        signal,
        maxHeaderSize: MOST_HEADER_BYTES,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "user-agent": `Mapae/${VERSION}`,
          ...headers,
        },
      });
      // The status is the answer, once it has come: however the body ends, or does not.
      let answered: Sent | null = null;
      let late = false;
      let refused = false;
      const callOff = alarm(TIMEOUT_MS, () => {
        late = true;
        request.destroy();
      });
      request.on("error", (error) => {
        refused = error instanceof RefusedTarget;
      });
      request.on("response", (response) => {
        const status = response.statusCode ?? 0;
        answered = { outcome: outcomeOf(status), status };
        let read = 0;
        response.on("data", (chunk: Buffer) => {
          read += chunk.length;
          if (read > MOST_ANSWER_BYTES) request.destroy();
        });
        response.on("error", () => {});
      });
      request.on("close", () => {
        callOff();
        if (answered !== null) resolve(answered);
        else if (signal.aborted) resolve(null);
        else if (late) resolve({ outcome: "timed_out", status: null });
        // The receiver closed the kept connection while the message was on its way.
        else if (request.reusedSocket) resolve("stale_connection");
        else resolve({ outcome: refused ? "refused_target" : "unreachable", status: null });
      });
      request.end(body);
    });

  const send: Send = async (text, headers, body, signal) => {
    const url = new URL(text);
    const literal = url.hostname.replace(/^\[|\]$/g, "");
    // A literal address is never looked up. The setting may have been another when the webhook was made.
    if (isIP(literal) !== 0 && !mayReach(literal)) return { outcome: "refused_target", status: null };
    let sent = await post(url, headers, body, signal);
    // There are only so many of these: the next one is fresh in the end.
    while (sent === "stale_connection") sent = await post(url, headers, body, signal);
    return sent;
  };
  return {
    send,
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return "delivered";
  return status === 410 ? "gone" : "rejected";
}
