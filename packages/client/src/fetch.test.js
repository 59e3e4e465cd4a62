import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";
import { ClientFault } from "./faults.js";
import { fetchWithToken } from "./fetch.js";
const seen = [];
let api = "";
let stranger = "";
let answer = (_, response) => response.end("ok");
async function receive(host, request, response) {
    const chunks = [];
    for await (const chunk of request)
        chunks.push(Buffer.from(chunk));
    const { method = "", url = "", headers } = request;
    const body = Buffer.concat(chunks).toString();
    const one = { host, method, path: url, authorization: headers.authorization, body };
    seen.push(one);
    answer(one, response);
}
const apiServer = createServer((request, response) => void receive("api", request, response));
const strangerServer = createServer((request, response) => void receive("stranger", request, response));
async function listen(server) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    return `http://127.0.0.1:${address.port}`;
}
before(async () => {
    api = await listen(apiServer);
    stranger = await listen(strangerServer);
});
after(() => {
    for (const server of [apiServer, strangerServer]) {
        server.closeAllConnections();
        server.close();
    }
});
beforeEach(() => {
    seen.length = 0;
    answer = (_, response) => response.end("ok");
});
/** Tokens t1, t2, …: the next one after each refusal. */
function counting() {
    const source = {
        count: 1,
        token: async () => `t${source.count}`,
        refused: (token) => {
            if (token === `t${source.count}`)
                source.count += 1;
        },
    };
    return source;
}
const withToken = (source = counting(), send = fetch) => fetchWithToken(send, new Set([api]), source, api);
const refuse = (response, headers, body = "") => {
    response.writeHead(401, headers).end(body);
};
const badToken = { "www-authenticate": 'Bearer realm="api", error="invalid_token"' };
describe("where the token goes", () => {
    it("to allowed origins, and to no other: not to a stranger, a look-alike or another port", async () => {
        const sent = [];
        const send = async (input, init) => {
            if (new Headers(init?.headers).has("authorization"))
                sent.push(String(input));
            return new Response("ok");
        };
        const guarded = fetchWithToken(send, new Set(["https://api.example"]), counting(), undefined);
        const others = [
            "https://api.example.evil.example/",
            "https://api.example:8443/",
            "http://api.example/",
            "https://api.example@evil.example/",
            "https://evil.example/https://api.example/",
            "https://sub.api.example/",
        ];
        for (const url of others)
            await guarded(url);
        assert.deepEqual(sent, []);
        await guarded("https://api.example:443/a");
        await guarded(new URL("https://API.example/b"));
        await guarded(new Request("https://api.example/c"));
        assert.equal(sent.length, 3);
    });
    for (const status of [301, 302, 303, 307, 308]) {
        it(`a ${status} to a stranger is followed without it`, async () => {
            answer = ({ host }, response) => host === "api" ? response.writeHead(status, { location: `${stranger}/trap` }).end() : response.end("trapped");
            const response = await withToken()(`${api}/start`);
            assert.equal(await response.text(), "trapped");
            assert.deepEqual(seen.map(({ host, authorization }) => [host, authorization]), [
                ["api", "Bearer t1"],
                ["stranger", undefined],
            ]);
        });
    }
    it("a stranger that sends the request back gets it there without the token, too", async () => {
        answer = ({ host, path }, response) => {
            if (host === "api" && path === "/start")
                response.writeHead(302, { location: `${stranger}/bounce` }).end();
            else if (host === "stranger")
                response.writeHead(302, { location: `${api}/delete-everything` }).end();
            else
                response.end("ok");
        };
        await withToken()(`${api}/start`);
        assert.deepEqual(seen.map((one) => one.authorization), ["Bearer t1", undefined, undefined]);
    });
    it("a redirect within the origin keeps it, and changes method and body as the Fetch standard says", async () => {
        answer = ({ path }, response) => {
            const status = Number(/^\/from\/(\d+)$/.exec(path)?.[1] ?? 0);
            if (status === 0)
                response.end("ok");
            else
                response.writeHead(status, { location: "/to" }).end();
        };
        const post = { method: "POST", body: "payload", headers: { "content-type": "text/plain" } };
        for (const status of [301, 302, 303, 307, 308])
            await withToken()(`${api}/from/${status}`, post);
        const arrived = seen.filter((one) => one.path === "/to");
        assert.deepEqual(arrived.map(({ method, body, authorization }) => `${method} ${body} ${authorization}`), ["GET  Bearer t1", "GET  Bearer t1", "GET  Bearer t1", "POST payload Bearer t1", "POST payload Bearer t1"]);
    });
    it("a redirect that leads round in circles, or asks for a stream again, is refused", async () => {
        answer = (_, response) => response.writeHead(307, { location: "/again" }).end();
        const isRefused = (error) => error instanceof ClientFault && error.code === "redirect_refused";
        await assert.rejects(withToken()(`${api}/again`), isRefused);
        const body = new Blob(["x"]).stream();
        const stream = { method: "POST", body, duplex: "half" };
        await assert.rejects(withToken()(`${api}/again`, stream), isRefused);
    });
    it("a redirect that the runtime hides is refused, and one that the caller wants to see is shown", async () => {
        const hidden = new Response(null, { status: 200 });
        Object.defineProperty(hidden, "type", { value: "opaqueredirect" });
        const guarded = withToken(counting(), async () => hidden);
        await assert.rejects(guarded(`${api}/`), (error) => error instanceof ClientFault && error.code === "redirect_refused");
        answer = (_, response) => response.writeHead(302, { location: stranger }).end();
        assert.equal((await withToken()(`${api}/`, { redirect: "manual" })).status, 302);
        await assert.rejects(withToken()(`${api}/`, { redirect: "error" }), TypeError);
    });
    it("a caller's own Authorization header is left alone", async () => {
        await withToken()(`${api}/`, { headers: { authorization: "Basic eDp5" } });
        assert.equal(seen[0]?.authorization, "Basic eDp5");
    });
});
describe("a 401 from a resource server", () => {
    const accepting = (good) => (one, response) => one.authorization === good ? response.end(one.body) : refuse(response, badToken);
    it("that refuses the token is answered with a new one, once, with the same body", async () => {
        answer = accepting("Bearer t2");
        const bodies = [
            ["text", "text", "text"],
            ["form", new URLSearchParams({ a: "1" }), "a=1"],
            ["bytes", new TextEncoder().encode("bytes"), "bytes"],
            ["blob", new Blob(["blob"]), "blob"],
        ];
        for (const [name, body, expected] of bodies) {
            const response = await withToken()(`${api}/`, { method: "POST", body });
            assert.equal(await response.text(), expected, name);
        }
        const request = new Request(`${api}/`, { method: "PUT", body: "from a Request", headers: { "x-extra": "1" } });
        assert.equal(await (await withToken()(request)).text(), "from a Request");
    });
    it("whose body was a stream is handed to the caller: it cannot be sent again", async () => {
        answer = accepting("Bearer t2");
        const stream = { method: "POST", body: new Blob(["x"]).stream(), duplex: "half" };
        assert.equal((await withToken()(`${api}/`, stream)).status, 401);
        assert.equal(seen.length, 1);
    });
    it("is known by its problem code where there is no challenge", async () => {
        for (const code of ["invalid_token", "token_expired", "session_ended"]) {
            answer = (one, response) => one.authorization === "Bearer t2"
                ? response.end("ok")
                : refuse(response, { "content-type": "application/problem+json" }, JSON.stringify({ code }));
            assert.equal((await withToken()(`${api}/`)).status, 200, code);
        }
    });
    it("for another reason is handed to the caller with its body unread", async () => {
        const others = [
            [{}, "no"],
            [{ "www-authenticate": 'Basic realm="x"' }, "no"],
            [{ "www-authenticate": 'Bearer error="insufficient_user_authentication"' }, "no"],
            [{ "content-type": "application/problem+json" }, '{"code":"invalid_credentials"}'],
            [{ "content-type": "application/json" }, '{"code":"invalid_token"}'],
        ];
        for (const [headers, body] of others) {
            answer = (_, response) => refuse(response, headers, body);
            const response = await withToken()(`${api}/`);
            assert.equal(response.status, 401);
            assert.equal(await response.text(), body);
        }
        assert.equal(seen.length, others.length);
    });
    it("from a server that refuses every token does not make a refresh of every request", async () => {
        answer = (_, response) => refuse(response, badToken);
        const source = counting();
        const guarded = withToken(source);
        for (let i = 0; i < 20; i += 1)
            assert.equal((await guarded(`${api}/`)).status, 401);
        assert.equal(source.count, 2);
        assert.equal(seen.length, 21);
    });
    it("from a stranger, after a redirect, costs no refresh", async () => {
        answer = ({ host }, response) => host === "api" ? response.writeHead(302, { location: stranger }).end() : refuse(response, badToken);
        const source = counting();
        assert.equal((await withToken(source)(`${api}/`)).status, 401);
        assert.equal(source.count, 1);
    });
});
