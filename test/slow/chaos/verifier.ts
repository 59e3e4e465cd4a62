/**
 * The program that the oracle asks: a resource server that is nothing but its verifier. It is told tokens by name, and
 * says what it makes of all of them, with the machine's monotonic clock before and after each, which all processes share.
 *
 *   POST /tokens   {name: token}       remembers them
 *   GET  /verdicts                     what settings.ts calls Seen: of tokens that were refused, every eighth in turn
 *   GET  /verdicts/all                 of every token
 *   POST /block    ms                  holds up its event loop, as a long computation does
 *   POST /clocks   what clocks.ts calls Bend
 *
 * Its settings come as one JSON argument.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createVerifier } from "@mapae/verifier";
import { bendable } from "./clocks.ts";
import type { Seen, Verdict, VerifierSettings } from "./settings.ts";

const settings = JSON.parse(process.argv[2] ?? "{}") as VerifierSettings;
const { issuer, feed, clientId, clientSecret, onStale, stream, keep } = settings;
const bend = bendable();

function keeperAt(path: string) {
  return {
    async read() {
      if (!existsSync(path)) return null;
      const { snapshot, checkpoint } = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
      return { snapshot: new Uint8Array(Buffer.from(snapshot ?? "", "base64")), checkpoint: checkpoint ?? "" };
    },
    async write(kept: { readonly snapshot: Uint8Array; readonly checkpoint: string }) {
      const snapshot = Buffer.from(kept.snapshot).toString("base64");
      writeFileSync(path, JSON.stringify({ snapshot, checkpoint: kept.checkpoint }));
    },
  };
}

const verifier = createVerifier({
  issuer,
  audience: issuer,
  credentials: { clientId, clientSecret },
  // Keys that a test revokes are asked for anew at once.
  keys: { jwksUri: `${issuer}/.well-known/jwks.json`, cooldown: 1 },
  revocation: {
    onStale,
    feed,
    ...(stream ? {} : { webSocket: false as const }),
    ...(keep === null ? {} : { keep: keeperAt(keep) }),
  },
});
const REFUSED_EVERY = 8;
const tokens = new Map<string, string>();
/** In milliseconds of the clock that all processes of this machine share, and that nobody bends. */
const clock = (): number => Number(process.hrtime.bigint()) / 1e6;
/** Of the lease as this process sees it: with clocks that run off by 1 % it may end that much earlier. */
const leaseLeft = (): number => (verifier.status()?.leaseLeft ?? 0) / 1.01;

async function judge(token: string): Promise<Verdict> {
  // In this order: whatever stands still in between, the lease holds at least until `began + left`.
  const began = clock();
  const left = leaseLeft();
  let verdict = verifier.verify(token);
  // As the adapters do: a key that is not known yet is asked for before anybody is refused.
  if (onStale === "introspect" || (!verdict.ok && verdict.code === "unknown_key"))
    verdict = await verifier.check(token);
  const ended = clock();
  const leased = began + left > ended && leaseLeft() > 0;
  return [began, ended, verdict.ok ? "accepted" : verdict.code, leased];
}

/** Refused at the last look. A signature check for each of them at every look would be all that this machine does. */
const refused = new Set<string>();
let turn = 0;

async function look(all: boolean): Promise<Seen> {
  turn += 1;
  const asked = Array.from(tokens).filter(
    ([name], at) => all || !refused.has(name) || (at + turn) % REFUSED_EVERY === 0,
  );
  const verdicts = await Promise.all(asked.map(async ([name, token]) => [name, await judge(token)] as const));
  for (const [name, [, , code]] of verdicts) {
    if (code === "token_revoked" || code === "unknown_key") refused.add(name);
    else refused.delete(name);
  }
  const { trust, via = "none" } = verifier.status() ?? {};
  return { live: trust === "live", via, verdicts: Object.fromEntries(verdicts) };
}

const WAYS: Readonly<Record<string, (body: string) => unknown>> = {
  "/tokens": (body) => {
    for (const [name, token] of Object.entries(JSON.parse(body) as Record<string, string>)) tokens.set(name, token);
  },
  "/verdicts": () => look(false),
  "/verdicts/all": () => look(true),
  "/block": (body) => {
    const until = clock() + Number(body);
    while (clock() < until);
  },
  "/clocks": (body) => bend(JSON.parse(body)),
};

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

const server = createServer(async (request, response) => {
  const answer = await WAYS[request.url ?? ""]?.(await bodyOf(request));
  response.end(JSON.stringify(answer ?? {}));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") process.stderr.write(`ready at http://localhost:${address?.port}\n`);
});
