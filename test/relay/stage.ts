/**
 * A login server and relays as processes, and verifiers in this one: what a tree is like for whoever runs it. N is two
 * seconds, so that what waits for a lease does not hold up the suite.
 */

import { join } from "node:path";
import { createVerifier, type Verifier, type VerifierOptions } from "@mapae/verifier";
import { askSocket } from "../../packages/server/src/operator/socket.ts";
import { placesIn } from "../../packages/server/src/settings/places.ts";
import {
  environment,
  freePort,
  LOGIN_SERVER,
  type Running,
  start,
  startLoginServer,
  temporaryFolder,
} from "../processes.ts";
import { type Json, list, object, PASSWORD, text } from "../stage.ts";

export const LEASE_MS = 2_000;
const PATIENCE_MS = 30_000;

export interface Confirmed {
  readonly confirmed: boolean;
  readonly acknowledged: number;
  readonly outstanding: readonly Json[];
  readonly unbound: readonly Json[];
}

export interface Tree {
  readonly issuer: string;
  /** The login server's process ends as by a power cut, and another begins with what is on the disk. */
  restartOrigin(): Promise<void>;
  resourceServer(id: string): Promise<string>;
  /** A relay of the login server, or of another relay; at a port of its own, or at one that it had before. */
  relay(options?: { upstream?: string; port?: number }): Promise<Running>;
  verifier(feed: string | null, options?: Partial<VerifierOptions>, client?: string): Promise<Verifier>;
  logIn(): Promise<{ readonly access: string; readonly session: string }>;
  /** Takes a session back, and waits until that is confirmed. */
  revoke(session: string): Promise<Confirmed>;
  operator(method: string, path: string, body?: unknown): Promise<Json>;
}

export const RELAY_LINE = /relay answers at (http:\/\/127\.0\.0\.1:\d+)/;

export async function plant(cleanUp: (task: () => void | Promise<void>) => void): Promise<Tree> {
  const folder = temporaryFolder((task) => cleanUp(task));
  const port = await freePort();
  const settings = { MAPAE_PORT: String(port), MAPAE_REVOCATION_LEASE: `${LEASE_MS}ms`, MAPAE_RATE_LIMIT: "off" };
  let origin = await startLoginServer(folder, settings);
  cleanUp(async () => void (await origin.stop()));
  const { url: issuer } = origin;
  const { socket } = placesIn(join(folder, "data"));
  const secrets = new Map<string, Promise<string>>();

  const tree: Tree = {
    issuer,
    restartOrigin: async () => {
      await origin.kill();
      origin = await startLoginServer(folder, settings);
    },
    operator: async (method, path, body) => {
      const answer = await askSocket(socket, method, path, body === undefined ? null : JSON.stringify(body));
      if (answer.status >= 400) throw new Error(`${path} answered ${answer.status}: ${answer.body}`);
      return answer.body === "" ? {} : object(JSON.parse(answer.body));
    },
    resourceServer: (id) => {
      const known = secrets.get(id);
      if (known !== undefined) return known;
      const wish = { id, kind: "resource_server", name: id };
      const making = tree.operator("POST", "/v1/admin/clients", wish).then(({ client_secret }) => text(client_secret));
      secrets.set(id, making);
      return making;
    },
    relay: async ({ upstream, port: at = 0 } = {}) => {
      const secret = await tree.resourceServer("relay");
      const args = ["relay", "--issuer", issuer, "--client-id", "relay", "--listen", `127.0.0.1:${at}`];
      const more = upstream === undefined ? [] : ["--upstream", upstream];
      const env = environment({ MAPAE_RELAY_CLIENT_SECRET: secret, MAPAE_RELAY_LOG_LEVEL: "warn" });
      const running = await start([LOGIN_SERVER, ...args, ...more], env, folder, RELAY_LINE);
      cleanUp(async () => {
        // One that is frozen hears nothing.
        unfreeze(running);
        await running.kill();
      });
      return running;
    },
    verifier: async (feed, options = {}, client = "orders") => {
      const verifier = createVerifier({
        issuer,
        audience: issuer,
        credentials: { clientId: client, clientSecret: await tree.resourceServer(client) },
        revocation: { onStale: "reject", ...(feed === null ? {} : { feed }) },
        ...options,
      });
      cleanUp(() => verifier.close());
      await until("the verifier trusts its copy", () =>
        verifier.ready().then(
          () => true,
          () => false,
        ),
      );
      return verifier;
    },
    logIn: async () => {
      const answer = await fetch(`${issuer}/v1/sessions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ identifier: "kim", password: PASSWORD }),
      });
      const body = object(await answer.json());
      return { access: text(body.access_token), session: text(object(body.session).id) };
    },
    revoke: async (session) => {
      const done = await tree.operator("POST", "/v1/revocations", { kind: "session", id: session, wait: "all" });
      const { confirmed, acknowledged } = done;
      return {
        confirmed: confirmed === true,
        acknowledged: Number(acknowledged),
        outstanding: list(done.outstanding),
        unbound: list(done.unbound),
      };
    },
  };
  const signedUp = await fetch(`${issuer}/v1/users`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier: "kim", password: PASSWORD }),
  });
  if (signedUp.status !== 201) throw new Error(await signedUp.text());
  return tree;
}

export function codeOf(verifier: Verifier, token: string): string {
  const verdict = verifier.verify(token);
  return verdict.ok ? "ok" : verdict.code;
}

/** Waits for something to become true; how long that takes is the machine's business. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function freeze({ pid }: Running): void {
  process.kill(pid, "SIGSTOP");
}

export function unfreeze({ pid }: Running): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It has ended.
  }
}
