import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { describe, test } from "node:test";
import { DOCUMENT_MAX, fetchDocument } from "./document.ts";
import type { Net } from "./exchange.ts";

/** The real network, and a timer that fires when the test says so. */
function realNet() {
  const due: (() => void)[] = [];
  const net: Net = {
    now: Date.now,
    after(_, run) {
      due.push(run);
      return () => undefined;
    },
    fetch: (url, init) => fetch(url, init),
  };
  const expire = () => {
    for (const run of due) run();
  };
  return { net, expire };
}

async function served<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  try {
    return await use(`http://127.0.0.1:${address.port}/document`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function get(listener: RequestListener) {
  return served(listener, (url) => fetchDocument(url, realNet().net, 5_000, new AbortController().signal));
}

describe("fetching a document over HTTP", () => {
  test("gives the object and what the response says about its age", async () => {
    const document = await get((_, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", age: "7" }).end('{"keys":[]}');
    });
    assert.deepEqual(document, { ok: true, value: { keys: [] }, cacheControl: "max-age=60", age: "7" });
  });

  test("a redirect is not followed, wherever it leads", async () => {
    let requests = 0;
    const document = await get((_, response) => {
      requests += 1;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    assert.equal(document.ok, false);
    assert.match(!document.ok ? document.reason : "", /redirect/);
    assert.equal(requests, 1);
  });

  test("an endless answer is cut off at the bound", async () => {
    let sent = 0;
    const document = await get((_, response) => {
      const chunk = Buffer.alloc(64 * 1024, " ");
      const more = (): void => {
        sent += chunk.length;
        if (!response.destroyed && sent < 100 * DOCUMENT_MAX) response.write(chunk, () => more());
      };
      more();
    });
    assert.equal(document.ok, false);
    assert.ok(sent < 100 * DOCUMENT_MAX, `${sent} bytes were taken`);
  });

  test("a small answer that unfolds to gigabytes is cut off at the bound as well", async () => {
    const { gzipSync } = await import("node:zlib");
    const body = gzipSync(Buffer.alloc(20 * 1024 * 1024, " "));
    const document = await get((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(body);
    });
    assert.equal(document.ok, false);
  });

  test("an answer that stops halfway is given up when its time is over", async () => {
    const { net, expire } = realNet();
    await served(
      (_, response) => {
        response.writeHead(200);
        response.write('{"keys":', () => expire());
      },
      async (url) => {
        const document = await fetchDocument(url, net, 2_000, new AbortController().signal);
        assert.deepEqual(document, { ok: false, reason: "there was no answer within 2 s", status: null });
      },
    );
  });

  test("a port where nobody listens is named by its reason", async () => {
    const url = await served(
      () => undefined,
      async (gone) => gone,
    );
    const document = await fetchDocument(url, realNet().net, 2_000, new AbortController().signal);
    assert.match(!document.ok ? document.reason : "", /ECONNREFUSED/);
  });

  test("a verifier that was closed asks for nothing", async () => {
    const document = await fetchDocument("http://127.0.0.1:9/", realNet().net, 2_000, AbortSignal.abort());
    assert.equal(document.ok, false);
  });
});
