/** The published keys of each provider, fetched through the same judged calls as everything else. */
import { type PublishedKeys, publishedKeys } from "@mapae/verifier/jose";
import type { Caller } from "../delivery/call.ts";
import type { ReceiverId } from "../prelude/ids.ts";
import type { Clock, SetAlarm } from "../prelude/world.ts";
import { SET_ALGORITHMS } from "./read-set.ts";
import type { Receiver } from "./receiver.ts";

const MOST_BYTES = 256 * 1024;
/** A response with one of these has no body (RFC 9110 §15). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

export interface ProviderKeys {
  of(receiver: Pick<Receiver, "id" | "facts">): PublishedKeys;
  close(): void;
}

export function createProviderKeys(caller: Caller, clock: Clock, alarm: SetAlarm): ProviderKeys {
  const held = new Map<ReceiverId, { readonly jwksUri: string; readonly keys: PublishedKeys }>();

  const fetch = async (url: string, { signal }: RequestInit): Promise<Response> => {
    const headers = { accept: "application/json" };
    // The time is the asker's: it calls this off when it is over.
    const call = { method: "GET", url, headers, body: null, most: MOST_BYTES, timeoutMs: 60_000 } as const;
    const called = await caller.call(call, signal ?? new AbortController().signal);
    if (called === null || !called.answered) throw new Error("no answer", { cause: { code: called?.fault } });
    const { status, body, headers: given } = called;
    if (body === null) throw new Error("the answer broke off, or is too long");
    const kept = ["cache-control", "age"].flatMap((name) => {
      const value = given[name];
      return typeof value === "string" ? [[name, value] as [string, string]] : [];
    });
    const whole = BODILESS.has(status) ? null : new Uint8Array(body);
    return new Response(whole, { status: status < 200 ? 502 : status, headers: kept });
  };

  return {
    of: ({ id, facts: { jwksUri } }) => {
      const known = held.get(id);
      if (known?.jwksUri === jwksUri) return known.keys;
      known?.keys.close();
      const keys = publishedKeys(jwksUri, SET_ALGORITHMS, {
        fetch,
        now: clock.now,
        after: (ms, run) => alarm(ms, run),
      });
      held.set(id, { jwksUri, keys });
      return keys;
    },
    close: () => {
      for (const { keys } of held.values()) keys.close();
    },
  };
}
