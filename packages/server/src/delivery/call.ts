/**
 * One call over the network, inside bounds: one connection to an address that was judged, no redirect, so much time, so
 * much of an answer.
 *
 *   name ──look up──► addresses ──each judged (target.ts)──► connect to one of exactly these
 */
import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { VERSION } from "../prelude/version.ts";
import type { SetAlarm } from "../prelude/world.ts";
import type { MayReach } from "./target.ts";

const MOST_HEADER_BYTES = 16_384;
/** A connection is kept this long for the next call. */
const KEPT_MS = 5_000;

export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** `null`: none. */
  readonly body: string | null;
  /** Of the answer's body so much is read, in bytes; a longer one ends the connection. */
  readonly most: number;
  /** For all of it, in milliseconds. */
  readonly timeoutMs: number;
}

/** Why there was no answer. */
export type CallFault =
  /** Not within the time. */
  | "timed_out"
  /** No connection, or it broke: name, network or TLS. */
  | "unreachable"
  /** The address is private, and no setting allows it. */
  | "refused_target";

export interface CallAnswer {
  readonly answered: true;
  readonly status: number;
  /** Names in lower case; of several with one name, the first or all, as Node has it. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** `null` where it was longer than wanted, or did not come to its end. */
  readonly body: Buffer | null;
}

export type Called = CallAnswer | { readonly answered: false; readonly fault: CallFault };

export interface Caller {
  /** Resolves whatever happens, to `null` where it was called off. */
  call(call: Call, signal: AbortSignal): Promise<Called | null>;
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

const refused: Called = { answered: false, fault: "refused_target" };

/** @param lookUp as `dns.lookup` with `all` */
export function createCaller(mayReach: MayReach, alarm: SetAlarm, lookUp: LookUp = lookup): Caller {
  const kept = { keepAlive: true, keepAliveMsecs: KEPT_MS, timeout: KEPT_MS, maxFreeSockets: 32 };
  const agents = { http: new HttpAgent(kept), https: new HttpsAgent(kept) };
  const judged = judging(mayReach, lookUp);

  const once = (url: URL, call: Call, signal: AbortSignal) =>
    new Promise<Called | "stale_connection" | null>((resolve) => {
      const secure = url.protocol === "https:";
      const length = call.body === null ? {} : { "content-length": Buffer.byteLength(call.body) };
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method: call.method,
        agent: secure ? agents.https : agents.http,
        lookup: judged,
        signal,
        maxHeaderSize: MOST_HEADER_BYTES,
        headers: { "user-agent": `Mapae/${VERSION}`, ...length, ...call.headers },
      });
      // The status is an answer once it has come, however the body ends, or does not.
      let answered: (() => CallAnswer) | null = null;
      let late = false;
      let turnsInward = false;
      const callOff = alarm(call.timeoutMs, () => {
        late = true;
        request.destroy();
      });
      request.on("error", (error) => {
        turnsInward = error instanceof RefusedTarget;
      });
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        let read = 0;
        response.on("data", (chunk: Buffer) => {
          read += chunk.length;
          if (read > call.most) request.destroy();
          else chunks.push(chunk);
        });
        response.on("error", () => {});
        answered = () => ({
          answered: true,
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: response.complete && read <= call.most ? Buffer.concat(chunks) : null,
        });
      });
      request.on("close", () => {
        callOff();
        if (answered !== null) resolve(answered());
        else if (signal.aborted) resolve(null);
        else if (late) resolve({ answered: false, fault: "timed_out" });
        // The other side closed the kept connection while the call was on its way.
        else if (request.reusedSocket) resolve("stale_connection");
        else resolve(turnsInward ? refused : { answered: false, fault: "unreachable" });
      });
      request.end(call.body ?? undefined);
    });

  return {
    call: async (call, signal) => {
      const url = new URL(call.url);
      const literal = url.hostname.replace(/^\[|\]$/g, "");
      // A literal address is never looked up. The setting may have been another when the address was given.
      if (isIP(literal) !== 0 && !mayReach(literal)) return refused;
      let called = await once(url, call, signal);
      // There are only so many of these: the next one is fresh in the end.
      while (called === "stale_connection") called = await once(url, call, signal);
      return called;
    },
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}
