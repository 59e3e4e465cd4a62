/**
 * The program that the oracle asks: a resource server that is nothing but its verifier. It is told tokens by name, and
 * says what it makes of all of them, with the machine's monotonic clock before and after each, which all processes share.
 *
 *   POST /tokens   {name: token}       remembers them
 *   GET  /verdicts                     {before, after, trust, via, verdicts: {name: [before, after, code]}}
 *   POST /block    ms                  holds up its event loop, as a long computation does
 *
 * Its settings come as one JSON argument.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createVerifier } from "@mapae/verifier";
import type { VerifierSettings } from "./settings.ts";

const settings = JSON.parse(process.argv[2] ?? "{}") as VerifierSettings;
const { issuer, feed, clientId, clientSecret, onStale, stream, keep } = settings;

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
const tokens = new Map<string, string>();
/** In milliseconds of the clock that all processes of this machine share. */
const clock = (): number => Number(process.hrtime.bigint()) / 1e6;

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString("utf8");
  if (request.url === "/tokens") {
    for (const [name, token] of Object.entries(JSON.parse(body) as Record<string, string>)) tokens.set(name, token);
    response.end("{}");
    return;
  }
  if (request.url === "/block") {
    const until = performance.now() + Number(body);
    while (performance.now() < until);
    response.end("{}");
    return;
  }
  const verdicts: Record<string, readonly [number, number, string]> = {};
  const before = verifier.status()?.trust;
  await Promise.all(
    Array.from(tokens, async ([name, token]) => {
      const began = clock();
      let verdict = verifier.verify(token);
      // As the adapters do: a key that is not known yet is asked for before anybody is refused.
      if (onStale === "introspect" || (!verdict.ok && verdict.code === "unknown_key"))
        verdict = await verifier.check(token);
      verdicts[name] = [began, clock(), verdict.ok ? "accepted" : verdict.code];
    }),
  );
  const status = verifier.status();
  response.end(JSON.stringify({ live: before === "live" && status?.trust === "live", via: status?.via, verdicts }));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") process.stderr.write(`ready at http://localhost:${address?.port}\n`);
});
