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
/** Signature checks between two looks at the network. */
const PAUSE_EVERY = 20;

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
  /** Does something with each verifier and token, so that leases go on: with pauses, and where one has ended, with patience. */
  const each = async (tokens: readonly string[], act: (verifier: Verifier, token: string) => void): Promise<void> => {
    let turn = 0;
    for (const token of tokens) {
      for (const verifier of opened) {
        turn += 1;
        if (turn % PAUSE_EVERY === 0) await new Promise((wake) => setImmediate(wake));
        while (verifier.status()?.trust !== "live") await new Promise((wake) => setTimeout(wake, 50));
        act(verifier, token);
      }
    }
  };
  process.on("message", async ({ watch, prove }: Asked) => {
    await each(prove, (verifier, token) => {
      const verdict = verifier.verify(token);
      if (verdict.ok || verdict.code !== "token_revoked") throw new Error("a revoked token is not refused");
    });
    const left = new Map<string, number>();
    const names = new Map(Object.entries(watch).map(([name, token]) => [token, name]));
    await each([...names.keys()], (verifier, token) => {
      // Called once the entry is applied: from now on verify() refuses. That is proved afterwards, so that the signature
      // checks of a thousand verifiers in one process do not stand in each other's way.
      verifier.onRevoked(verifier.verifyOrThrow(token), () => {
        const still = (left.get(token) ?? count) - 1;
        left.set(token, still);
        if (still === 0) say({ refused: names.get(token) ?? "", at: clock() });
      });
    });
    say({ done: true });
  });
  process.once("disconnect", () => {
    // Closed they say that they hold no lease any more, and the next measurement does not wait for them.
    for (const verifier of opened) verifier.close();
    setTimeout(() => process.exit(), 1_000);
  });
  say({ ready: true });
}

const [settings] = process.argv.slice(2);
if (settings?.startsWith("{")) await main(JSON.parse(settings) as FollowingSettings);
