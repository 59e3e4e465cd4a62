/** What the tests of Shared Signals do as a receiver: requests with a resource server's secret, and events believed only by their signature. */
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { type BoundKey, bindKey, type Jwk, verifyJws } from "@mapae/verifier/jose";
import { type Answer, ISSUER, type Json, list, object, type ResourceServer, type Stage, text } from "../stage.ts";

export const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
export const SSF = "https://schemas.openid.net/secevent/ssf/event-type/";
const PATIENCE_MS = 10_000;

/** The claims of a signed event, verified with the published keys. */
export async function verified(stage: Stage, set: string): Promise<Json> {
  const { body } = await stage.call("GET", "/.well-known/jwks.json");
  const keys = new Map<string, BoundKey>(list(body.keys).map((jwk) => [text(jwk.kid), bindKey(jwk as Jwk)]));
  const read = verifyJws(set, ({ kid = "" }) => keys.get(kid));
  assert.ok(read.ok, "the signature holds");
  assert.equal(read.header.typ, "secevent+jwt");
  return object(JSON.parse(Buffer.from(read.payload).toString()));
}

/** The one event of a SET: its type without the namespace, and its members. */
export function eventOf(claims: Json): readonly [string, Json] {
  const entries = Object.entries(object(claims.events));
  assert.equal(entries.length, 1);
  const [type = "", members] = entries[0] ?? [];
  return [type.replace(CAEP, "").replace(SSF, ""), object(members)];
}

/** Waits for what happens meanwhile; a little time passes on the server's clock. */
export async function until(stage: Stage, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!(await holds())) {
    assert.ok(!late.aborted, what);
    stage.advance(5);
    await setTimeout(2);
  }
}

/** One receiver that polls. */
export class Poller {
  readonly #stage: Stage;
  readonly #as: ResourceServer;
  readonly #at: string;
  readonly id: string;
  readonly created: Json;

  private constructor(stage: Stage, as: ResourceServer, created: Json) {
    this.#stage = stage;
    this.#as = as;
    this.created = created;
    this.id = text(created.stream_id);
    this.#at = text(object(created.delivery).endpoint_url).replace(ISSUER, "");
  }

  static async make(stage: Stage, as: ResourceServer, wish: Json = {}): Promise<Poller> {
    const made = await stage.call("POST", "/ssf/streams", { as, body: wish });
    assert.equal(made.status, 201, made.text);
    return new Poller(stage, as, made.body);
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#stage.call(method, path, { as: this.#as, ...(body === undefined ? {} : { body }) });
  }

  async raw(body: Json): Promise<Answer> {
    return this.#stage.call("POST", this.#at, { as: this.#as, body });
  }

  /** What waits, as claims, by name; acknowledges nothing unless told to. */
  async poll(body: Json = {}): Promise<ReadonlyMap<string, Json>> {
    const answer = await this.raw({ returnImmediately: true, ...body });
    assert.equal(answer.status, 200, answer.text);
    const sets = new Map<string, Json>();
    for (const [name, set] of Object.entries(object(answer.body.sets))) {
      const claims = await verified(this.#stage, text(set));
      assert.equal(claims.jti, name);
      sets.set(name, claims);
    }
    return sets;
  }

  /** Takes everything that waits, and acknowledges it. */
  async take(): Promise<readonly Json[]> {
    const taken: Json[] = [];
    let ack: readonly string[] = [];
    for (;;) {
      const sets = await this.poll({ ack });
      if (sets.size === 0) return taken;
      taken.push(...sets.values());
      ack = [...sets.keys()];
    }
  }
}
