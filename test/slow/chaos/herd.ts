/**
 * A process full of verifiers, each with a stream of its own: as many as a fleet has that loses its server at one moment.
 *
 *   POST /census   tokens, one a line     {began, live, streaming, accepted: [of each token, by how many]}
 *
 * Its settings come as one JSON argument.
 */
import { createServer } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { createVerifier, type Verifier } from "@mapae/verifier";

export interface HerdSettings {
  readonly issuer: string;
  readonly feed: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly count: number;
}

export interface Census {
  /** When the first verification began, in milliseconds of the clock that all processes share. */
  readonly began: number;
  readonly live: number;
  readonly streaming: number;
  /** Of each token, by how many verifiers. */
  readonly accepted: readonly number[];
}

/** Signature checks between two looks at the network. */
const PAUSE_EVERY = 20;
const AT_ONCE = 50;

async function main({ issuer, feed, clientId, clientSecret, count }: HerdSettings): Promise<void> {
  const jwks = (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()) as { keys: [] };
  const herd: Verifier[] = [];
  while (herd.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - herd.length) }, () =>
      createVerifier({
        issuer,
        audience: issuer,
        credentials: { clientId, clientSecret },
        keys: { jwks },
        revocation: { onStale: "reject", feed },
      }),
    );
    // Who is not let in at once tries again: the census tells.
    await Promise.allSettled(some.map((verifier) => verifier.ready()));
    herd.push(...some);
  }

  async function census(tokens: readonly string[]): Promise<Census> {
    const began = Number(process.hrtime.bigint()) / 1e6;
    const accepted = tokens.map(() => 0);
    let [live, streaming] = [0, 0];
    for (const [index, verifier] of herd.entries()) {
      const status = verifier.status();
      if (status?.trust === "live") live += 1;
      if (status?.via === "stream") streaming += 1;
      for (const [at, token] of tokens.entries()) if (verifier.verify(token).ok) accepted[at] = (accepted[at] ?? 0) + 1;
      if (index % PAUSE_EVERY === 0) await turn();
    }
    return { began, live, streaming, accepted };
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    response.end(JSON.stringify(await census(body === "" ? [] : body.split("\n"))));
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (typeof address === "object") process.stderr.write(`ready at http://localhost:${address?.port}\n`);
  });
}

const [settings] = process.argv.slice(2);
if (settings?.startsWith("{")) await main(JSON.parse(settings) as HerdSettings);
