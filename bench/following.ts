/**
 * A process full of verifiers, each with a stream of its own, that tells when the last of them refuses a token. Its
 * parent speaks to it over IPC; times are of the monotonic clock that all processes of a machine share.
 *
 *   {watch: {name: token}} ──► {done} … {refused: name, at} once every verifier refuses it
 *   {prove: [token]} ──► {done}, having asked every verifier about each
 */
import { createVerifier, type Verifier } from "@mapae/verifier";

export interface FollowingSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly count: number;
}

export type Told =
  | { readonly ready: true }
  | { readonly done: true }
  | { readonly refused: string; readonly at: number };

export interface Asked {
  readonly watch: Readonly<Record<string, string>>;
  readonly prove: readonly string[];
}

/** In milliseconds. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const AT_ONCE = 50;

async function main(settings: FollowingSettings): Promise<void> {
  const { issuer, clientId, clientSecret, count } = settings;
  const say = (told: Told) => process.send?.(told);
  const jwks = (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()) as { keys: [] };
  const verifiers = Array.from({ length: count }, () => () => {
    return createVerifier({
      issuer,
      audience: issuer,
      credentials: { clientId, clientSecret },
      keys: { jwks },
      revocation: { onStale: "reject" },
    });
  });
  const opened: Verifier[] = [];
  for (let index = 0; index < count; index += AT_ONCE) {
    const some = verifiers.slice(index, index + AT_ONCE).map((open) => open());
    await Promise.all(some.map((verifier) => verifier.ready()));
    opened.push(...some);
  }
  process.on("message", ({ watch, prove }: Asked) => {
    for (const token of prove) {
      for (const verifier of opened) {
        const verdict = verifier.verify(token);
        if (verdict.ok || verdict.code !== "token_revoked") throw new Error("a revoked token is not refused");
      }
    }
    for (const [name, token] of Object.entries(watch)) {
      let left = count;
      for (const verifier of opened) {
        // Called once the entry is applied: from now on verify() refuses. That is proved afterwards, so that the signature
        // checks of a thousand verifiers in one process do not stand in each other's way.
        verifier.onRevoked(verifier.verifyOrThrow(token), () => {
          left -= 1;
          if (left === 0) say({ refused: name, at: clock() });
        });
      }
    }
    say({ done: true });
  });
  process.once("disconnect", () => process.exit());
  say({ ready: true });
}

const [settings] = process.argv.slice(2);
if (settings?.startsWith("{")) await main(JSON.parse(settings) as FollowingSettings);
