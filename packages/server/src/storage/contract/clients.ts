/** The contract of clients. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draft } from "../../audit/event.ts";
import type { Client } from "../../clients/client.ts";
import type { PublishedKeys } from "../../clients/published-keys.ts";
import { audit, type Effect } from "../../revocation/effects.ts";
import { CAUSE, FIRST_PAGE, type Open, otherClient, Stage } from "./stage.ts";

function client(name: string, fields: Partial<Client> = {}): Client {
  return {
    id: otherClient(name),
    kind: "resource_server",
    name,
    secretHash: Buffer.alloc(32, name),
    scope: ["read", "write"],
    audience: `https://${name}.example`,
    jwks: null,
    createdAt: 1,
    ...fields,
  };
}

export function describeClientStore(open: Open): void {
  describe("clients", () => {
    test("a client is found as it was made, and its id is taken once", async () => {
      const stage = await Stage.open(open);
      const api = client("api");
      const rivals = [api, { ...api, name: "another" }];
      const outcomes = await Promise.all(
        rivals.map((rival) => stage.store.clients.create(rival, [audit(draft("client.created", CAUSE))])),
      );
      assert.deepEqual([...outcomes].sort(), ["created", "id_taken"]);
      assert.deepEqual(await stage.store.clients.find(api.id), rivals[outcomes.indexOf("created")]);
      assert.equal(await stage.store.clients.find(otherClient("unknown")), undefined);
      assert.deepEqual(await stage.events(), ["client.created"]);
      await stage.store.close();
    });

    test("the list is oldest first, and the audiences are each there once", async () => {
      const stage = await Stage.open(open);
      const app = client("app", { kind: "first_party", secretHash: null, audience: null, jwks: null, createdAt: 2 });
      const twin = client("twin", { audience: "https://api.example", jwks: null, createdAt: 3 });
      for (const each of [twin, app, client("api")]) await stage.store.clients.create(each, []);
      const { items } = await stage.store.clients.list(FIRST_PAGE);
      assert.deepEqual(items, [client("api"), app, twin]);
      assert.deepEqual(await stage.store.clients.audiences(), ["https://api.example"]);
      await stage.store.close();
    });

    test("published keys are found by their audience, replaced, and forgotten, each with what is to be told", async () => {
      const stage = await Stage.open(open);
      const api = client("api");
      await stage.store.clients.create(api, []);
      const { clients } = stage.store;
      assert.equal(await clients.keysFor("https://api.example"), null);
      assert.equal(await clients.keysFor("https://nobody.example"), undefined);
      const told = [audit(draft("client.keys_changed", CAUSE, { client: api.id }))];
      const keys = (kid: string): PublishedKeys => [{ kty: "OKP", crv: "X25519", x: "A".repeat(43), kid, use: "enc" }];
      assert.equal(await clients.publish(api.id, keys("one"), told), "done");
      assert.deepEqual(await clients.keysFor("https://api.example"), keys("one"));
      assert.deepEqual(await clients.find(api.id), { ...api, jwks: keys("one") });
      assert.equal(await clients.publish(api.id, keys("two"), told), "done");
      assert.deepEqual((await clients.list(FIRST_PAGE)).items, [{ ...api, jwks: keys("two") }]);
      assert.equal(await clients.publish(api.id, null, told), "done");
      assert.equal(await clients.keysFor("https://api.example"), null);
      assert.equal(await clients.publish(otherClient("unknown"), keys("one"), told), "not_found");
      assert.equal((await stage.events()).length, 3);
      await stage.store.close();
    });

    test("where keys are registered, nobody else is meant by the same audience", async () => {
      const stage = await Stage.open(open);
      const { clients } = stage.store;
      const keys: PublishedKeys = [{ kty: "OKP", crv: "X25519", x: "A".repeat(43) }];
      const [first, second] = [client("api"), client("twin", { audience: "https://api.example" })];
      assert.equal(await clients.create({ ...first, jwks: keys }, []), "created");
      assert.equal(await clients.create(second, []), "audience_encrypted");
      assert.equal(await clients.publish(first.id, null, []), "done");
      assert.equal(await clients.create(second, []), "created");
      assert.equal(await clients.publish(first.id, keys, []), "audience_shared");
      assert.equal(
        await clients.create({ ...client("third", { audience: "https://api.example" }), jwks: keys }, []),
        "audience_encrypted",
      );
      const app = client("app", { audience: null });
      await clients.create(app, []);
      assert.equal(await clients.publish(app.id, keys, []), "no_audience");
      const races = ["x", "y", "z"].map((name) => client(name, { audience: "https://race.example", jwks: keys }));
      const outcomes = await Promise.all(races.map((each) => clients.create(each, [])));
      assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1);
      await stage.store.close();
    });

    test("deleting a client ends its grants, writes what it was given, and leaves other clients' grants", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const gone = client("gone");
      await stage.store.clients.create(gone, []);
      const theirs = await stage.logIn(user.id, { session: { client: gone.id } });
      const mine = await stage.logIn(user.id);
      const effects: readonly Effect[] = [
        { effect: "revoke", kind: "client", value: gone.id, reason: "client_deleted" },
        audit(draft("client.deleted", CAUSE, { client: gone.id })),
      ];
      assert.equal(await stage.store.clients.delete(gone.id, effects), true);
      assert.equal(await stage.store.clients.delete(gone.id, effects), false);
      assert.deepEqual(
        stage.heard.map(({ kind, value }) => [kind, value]),
        [["client", gone.id]],
      );
      assert.deepEqual(await stage.refresh(theirs.standing.grant), {
        allow: false,
        refusal: { code: "session_ended", reason: "client_deleted" },
      });
      assert((await stage.refresh(mine.standing.grant)).allow);
      const late = stage.newLogIn(user.id, { session: { client: gone.id } });
      assert.deepEqual(await stage.store.grants.open(late), { kind: "stale_credential" });
      assert.equal(await stage.store.clients.find(gone.id), undefined);
      await stage.store.close();
    });
  });
}
