/** Receivers with several nodes on one PostgreSQL: a push may reach any of them, one of them polls, and another after it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { eventually, type Node, nodeSettings, openNodes, turns } from "../nodes/cluster.ts";
import { object, text } from "../stage.ts";
import { openProvider, type Provider } from "./provider.ts";

const REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

describe("receivers over several nodes", { skip: withoutPostgres() }, () => {
  let postgres: Postgres;
  let nodes: readonly Node[];
  let at: (index: number) => Node;
  const providers: Provider[] = [];

  before(async () => {
    const started = await startPostgres({ settings: { fsync: "off" } });
    assert.ok(started !== null);
    postgres = started;
    nodes = await openNodes(3, nodeSettings(await postgres.database(), { dangerouslyAllowSsfTo: "127.0.0.1" }));
    at = turns(nodes);
    await at(0).signUp("kim@example.com");
  });
  after(async () => {
    for (const node of nodes ?? []) await node.close();
    for (const provider of providers) await provider.close();
    await postgres?.remove();
  });

  const add = async (method: "push" | "poll"): Promise<{ readonly provider: Provider; readonly id: string }> => {
    const provider = await openProvider();
    providers.push(provider);
    const wish = { issuer: provider.issuer, method, streamId: null, pollUrl: null, audience: null, credential: null };
    const { receiverAction } = at(0).server.operations.ssf;
    const added = await receiverAction.add({ ...wish, domains: [], disables: false }, SYSTEM);
    assert.ok(added.ok);
    return { provider, id: added.receiver.id };
  };
  const ofKim = (provider: Provider): string =>
    provider.sign(REVOKED, {
      sub_id: { format: "email", email: "kim@example.com" },
      iat: Math.floor(Date.now() / 1000),
    });
  const isOut = async (token: string): Promise<boolean> => {
    const answers = await Promise.all(nodes.map((node) => node.call("GET", "/v1/me", { token })));
    return answers.every(({ status, body }) => status === 401 && body.reason === "reported");
  };

  test("an event that is pushed to all nodes at once, again and again, is taken once and refused by all", async () => {
    const { provider, id } = await add("push");
    const { access } = await at(1).logIn("kim@example.com");
    const set = ofKim(provider);
    const authorization = text(object(provider.stream().delivery).authorization_header);
    const push = (node: Node) =>
      node.server.handler(
        new Request(`https://login.example/ssf/events/${id}`, {
          method: "POST",
          headers: { "content-type": "application/secevent+jwt", authorization },
          body: set,
        }),
        { remoteAddress: "192.0.2.1" },
      );
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => push(at(index))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 202),
    );
    await eventually("every node refuses the token", () => isOut(access));
    const [receiver] = await at(2).server.operations.storage.receivers.list();
    assert.equal(receiver?.events, 1);
  });

  test("one node polls at a time; when it stops, another goes on where it was", async () => {
    const { provider } = await add("poll");
    let [under, most] = [0, 0];
    const waiting = new Map<string, string>();
    const acknowledged: string[] = [];
    provider.instead = {
      "/poll": (response) => {
        under += 1;
        most = Math.max(most, under);
        for (const name of (provider.asked.at(-1)?.body.ack ?? []) as string[]) {
          acknowledged.push(name);
          waiting.delete(name);
        }
        const answer = (): void => {
          under -= 1;
          response.end(JSON.stringify({ sets: Object.fromEntries(waiting) }));
        };
        if (waiting.size > 0) answer();
        else setTimeout(answer, 300);
      },
    };
    const first = await at(0).logIn("kim@example.com");
    waiting.set("one", ofKim(provider));
    await eventually("it is taken", () => acknowledged.includes("one"));
    await eventually("every node refuses the token", () => isOut(first.access));
    assert.equal(most, 1, "polls at a time");

    const holder = nodes.find(({ server }) => server.operations.storage.duty.held);
    assert.ok(holder !== undefined);
    nodes = nodes.filter((node) => node !== holder);
    at = turns(nodes);
    await holder.close();
    const second = await at(0).logIn("kim@example.com");
    waiting.set("two", ofKim(provider));
    await eventually("another node takes it", () => acknowledged.includes("two"));
    await eventually("every node refuses the token", () => isOut(second.access));
  });
});
