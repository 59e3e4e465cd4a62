/**
 * What a node listens to: the stream, the poll, the snapshot, introspection and its keys, from requests and streams of the
 * simulated network to the feed as it is.
 */
import { type AccessTokenClaims, bindClaimRules, checkClaims } from "@mapae/verifier";
import { checkSignature, parseJws } from "@mapae/verifier/jose";
import {
  CHECKPOINT_HEADER,
  encodePollLine,
  FEED_PATHS,
  POLL_TYPE,
  parsePosition,
  SNAPSHOT_TYPE,
} from "@mapae/verifier/revocation";
import type { FeedConnection } from "../../packages/server/src/feed/link.ts";
import type { Verifier } from "../../packages/server/src/feed/verifiers.ts";
import type { Server } from "./node.ts";
import { AUDIENCES } from "./people.ts";
import type { Answerer } from "./requests.ts";
import type { Acceptor } from "./transport.ts";

const NOBODY = new Response(null, { status: 404 });

export function acceptorOf(server: Server): Acceptor {
  return (end) => {
    let connection: FeedConnection | null = null;
    return {
      opened: () => {
        connection = server.feed.connect({
          send: (frame) => end.send(typeof frame === "string" ? frame : Uint8Array.from(frame)),
          waiting: () => end.backlog,
          close: (code) => end.close(code),
        });
      },
      message: (data) => connection?.received(typeof data === "string" ? data : null),
      closed: (code) => connection?.closed(code),
    };
  };
}

export function answererOf(server: Server): Answerer {
  return async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/jwks.json") return Response.json(server.keyring.jwks());
    const verifier = await authenticate(server, request);
    if (verifier === null) return new Response(null, { status: 401 });
    switch (pathname) {
      case FEED_PATHS.snapshot:
        return snapshot(server, verifier);
      case FEED_PATHS.poll:
        return poll(server, verifier, searchParams);
      case "/oauth2/introspect":
        return introspect(server, new URLSearchParams(await request.text()).get("token") ?? "");
      default:
        return NOBODY;
    }
  };
}

async function authenticate(server: Server, request: Request): Promise<Verifier | null> {
  const basic = /^Basic (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const [id = "", secret = ""] = atob(basic)
    .split(":", 2)
    .map((part) => new URLSearchParams(`=${part}`).get("") ?? "");
  return server.verifiers.authenticate(id, secret);
}

async function snapshot(server: Server, verifier: Verifier): Promise<Response> {
  const { octets, checkpoint } = await server.feed.snapshot(verifier);
  return new Response(Uint8Array.from(octets), {
    headers: { "content-type": SNAPSHOT_TYPE, [CHECKPOINT_HEADER]: checkpoint },
  });
}

async function poll(server: Server, verifier: Verifier, query: URLSearchParams): Promise<Response> {
  const after = parsePosition(query.get("after"));
  if (after === null) return new Response(null, { status: 400 });
  try {
    const frames = await server.feed.poll({
      verifier,
      after,
      ping: Number(query.get("ping")),
      instance: query.get("instance"),
      acceptMs: Number(query.get("accept_ms") ?? 0),
    });
    return new Response(`${frames.map(encodePollLine).join("\n")}\n`, { headers: { "content-type": POLL_TYPE } });
  } catch {
    return new Response(null, { status: 503 });
  }
}

const RULES = bindClaimRules({ issuer: "https://login.example.com", audience: [...AUDIENCES], clockTolerance: 60 });

/** RFC 7662, read linearizably: what was committed before the question is in the answer. */
async function introspect(server: Server, token: string): Promise<Response> {
  try {
    await server.storage.revocation.readHead();
  } catch {
    return new Response(null, { status: 503 });
  }
  const claims = believed(server, token);
  return Response.json({ active: claims !== null });
}

function believed(server: Server, token: string): AccessTokenClaims | null {
  const jws = parseJws(token);
  if (!jws.ok) return null;
  const key = server.keyring.find(jws.header.kid);
  if (key === undefined || checkSignature(jws, key) !== null) return null;
  const checked = checkClaims(jws, RULES, server.world.clock.now() / 1000);
  if (!checked.ok) return null;
  return server.live.reasonFor(checked.claims, jws.header.kid) === null ? checked.claims : null;
}
