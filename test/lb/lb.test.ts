/** What `mapae lb` writes, run by the real HAProxy and nginx in front of servers that tell their names. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { mapae } from "../cli/mapae.ts";
import { freePort, type ProxyName, programOf, runAsNobody } from "../gate/stage.ts";
import { temporaryFolder } from "../processes.ts";

interface Backend {
  readonly name: string;
  readonly port: number;
  /** What /readyz says. */
  ready: boolean;
  posts: number;
  /** Nobody answers there any more. */
  die(): Promise<void>;
}

async function startBackend(t: TestContext, name: string): Promise<Backend> {
  const server: Server = createServer((request, response) => {
    // What the login server says while it is stopping.
    const unready = request.url === "/readyz?draining=404" ? 404 : 503;
    if (request.url?.startsWith("/readyz")) return void response.writeHead(backend.ready ? 200 : unready).end();
    if (request.method === "POST") backend.posts += 1;
    request
      .resume()
      .once("end", () => response.end(JSON.stringify({ name, from: request.headers["x-forwarded-for"] })));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const die = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  const { port } = server.address() as AddressInfo;
  const backend: Backend = { name, port, ready: true, posts: 0, die };
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return backend;
}

/** The program with what `mapae lb` wrote for it. @returns where it answers */
async function startBalancer(
  t: TestContext,
  name: ProxyName,
  program: string,
  backends: readonly Backend[],
  strategy: string,
): Promise<string> {
  const folder = temporaryFolder((task) => t.after(task));
  chmodSync(folder, 0o777);
  const port = await freePort();
  const servers = backends.flatMap((backend) => ["--server", `${backend.name}=127.0.0.1:${backend.port}`]);
  const listen = ["--listen", `127.0.0.1:${port}`];
  const made = await mapae(folder, ["lb", name, ...servers, ...listen, "--strategy", strategy]);
  assert.equal(made.code, 0, made.stderr);
  if (name === "haproxy") {
    const file = join(folder, "haproxy.cfg");
    writeFileSync(file, made.stdout.replace("maxconn 10000", "maxconn 200"));
    runAsNobody(t, program, ["-db", "-f", file], folder);
  } else {
    mkdirSync(join(folder, "temp"), { mode: 0o777 });
    chmodSync(join(folder, "temp"), 0o777);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const lines = [
      "daemon off; worker_processes 1; pid temp/nginx.pid; error_log stderr warn;",
      "events { worker_connections 256; }",
      "http {",
      "access_log off;",
      ...temporary.map((part) => `${part}_temp_path temp/${part};`),
      made.stdout,
      "}",
    ];
    writeFileSync(join(folder, "nginx.conf"), lines.join("\n"));
    runAsNobody(t, program, ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], folder);
  }
  const url = `http://127.0.0.1:${port}`;
  await until("an answer", async () => (await fetch(url).catch(() => null))?.status === 200);
  return url;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not come`);
}

/** A browser: keeps its cookies. */
function browser(url: string) {
  const jar = new Map<string, string>();
  return {
    jar,
    async ask(method = "GET"): Promise<{ readonly status: number; readonly name: string; readonly from: string }> {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
      const headers = { connection: "close", ...(cookie === "" ? {} : { cookie }) };
      const response = await fetch(url, { method, headers });
      for (const line of response.headers.getSetCookie()) {
        const [name = "", value = ""] = (line.split(";")[0] ?? "").split("=");
        if (/Max-Age=0|expires=Thu, 01-Jan-1970/i.test(line)) jar.delete(name);
        else jar.set(name, value);
      }
      const text = await response.text();
      const said =
        response.status === 200 ? (JSON.parse(text) as { name: string; from: string }) : { name: "", from: "" };
      return { status: response.status, ...said };
    },
  };
}

for (const name of ["haproxy", "nginx"] as const) {
  const program = programOf(name);
  const skip = program === null ? `${name} is not installed` : false;

  test(`${name}, sticky: a browser stays with its server, and finds another when that is gone`, { skip }, async (t) => {
    const backends = [await startBackend(t, "one"), await startBackend(t, "two"), await startBackend(t, "three")];
    const url = await startBalancer(t, name, program ?? "", backends, "sticky");
    const browsers = Array.from({ length: 24 }, () => browser(url));
    const homes = await Promise.all(browsers.map((each) => each.ask("POST")));
    assert.equal(new Set(homes.map((home) => home.name)).size, 3, "browsers are spread over the servers");
    for (let round = 0; round < 3; round += 1) {
      const again = await Promise.all(browsers.map((each) => each.ask()));
      assert.deepEqual(
        again.map((each) => each.name),
        homes.map((each) => each.name),
      );
    }
    assert.deepEqual(Object.fromEntries([...(browsers[0]?.jar.keys() ?? [])].map((key) => [key, true])), {
      mapae_server: true,
    });
    await backends[1]?.die();
    await until("the others", async () =>
      (await Promise.all(browsers.map((each) => each.ask()))).every(({ status }) => status === 200),
    );
    const after = await Promise.all(browsers.map((each) => each.ask()));
    for (const [index, { name: now }] of after.entries()) {
      assert.notEqual(now, "two");
      if (homes[index]?.name !== "two") assert.equal(now, homes[index]?.name, "only those of the lost server move");
    }
  });

  test(`${name}, any server: requests are spread, addresses are told, and no cookie is set`, { skip }, async (t) => {
    const backends = [await startBackend(t, "one"), await startBackend(t, "two")];
    const url = await startBalancer(t, name, program ?? "", backends, "token");
    const visitor = browser(url);
    const answers = [];
    for (let count = 0; count < 20; count += 1) answers.push(await visitor.ask());
    assert.deepEqual(new Set(answers.map((each) => each.name)), new Set(["one", "two"]));
    assert.ok(answers.every(({ from }) => from === "127.0.0.1"));
    assert.equal(visitor.jar.size, 0);
  });

  test(`${name}: a server that dies costs no request, and what one has taken is sent to no other`, {
    skip,
  }, async (t) => {
    const backends = [await startBackend(t, "one"), await startBackend(t, "two")];
    const url = await startBalancer(t, name, program ?? "", backends, "token");
    const visitor = browser(url);
    await backends[0]?.die();
    let posts = 0;
    for (let count = 0; count < 20; count += 1) {
      const { status } = await visitor.ask("POST");
      assert.equal(status, 200);
      posts += 1;
    }
    assert.equal(backends[1]?.posts, posts);
  });
}

test("haproxy: a server that says it is not ready gets nothing new", {
  skip: programOf("haproxy") === null,
}, async (t) => {
  const backends = [await startBackend(t, "one"), await startBackend(t, "two")];
  const url = await startBalancer(t, "haproxy", programOf("haproxy") ?? "", backends, "token");
  const visitor = browser(url);
  const [leaving] = backends;
  assert.ok(leaving);
  leaving.ready = false;
  await until("the drain", async () => {
    const some = await Promise.all(Array.from({ length: 6 }, () => visitor.ask()));
    return some.every(({ name }) => name === "two");
  });
  leaving.ready = true;
  await until("its return", async () => (await visitor.ask()).name === "one");
});
