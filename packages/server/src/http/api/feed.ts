/** `/v1/revocations/…`: the feed that tells every verifier what was taken back, and the tickets for following a relay. */
import {
  CHECKPOINT_HEADER,
  encodePollLine,
  FEED_PATHS,
  POLL_TYPE,
  parsePosition,
  SNAPSHOT_TYPE,
  TICKET_PATH,
} from "@mapae/verifier/revocation";
import { z } from "zod";
import type { Feed } from "../../feed/feed.ts";
import type { FollowedFeed } from "../../feed/serving.ts";
import { problem } from "../problem.ts";
import { json, type Reply, text } from "../reply.ts";
import { following, open, type Route } from "../route.ts";
import { id } from "./fields.ts";
import { invalid } from "./log-in.ts";

/** An owner may let his verifier accept for a day without a lease, and not for ever. */
const ACCEPT_MAX_MS = 86_400_000;

const position = z.string().refine((value) => parsePosition(value) !== null, "must be a position: epoch.seq");
const count = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** For resource servers that follow, at the login server and at relays. */
export function feedRoutes(feed: FollowedFeed): readonly Route[] {
  return [
    following(
      {
        method: "GET",
        path: FEED_PATHS.snapshot,
        group: "Revocation",
        summary: "Everything that is revoked, as one signed piece",
        answer: { status: 200, schema: null, says: `\`${SNAPSHOT_TYPE}\`, signed in \`Mapae-Checkpoint\`.` },
      },
      async ({ headers }, verifier) => {
        const snapshot = await feed.snapshot(verifier);
        const shared = {
          etag: snapshot.etag,
          // It differs by who asks, and must not lie in a cache that does not ask again.
          "cache-control": "private, no-cache",
          vary: "Authorization",
          [CHECKPOINT_HEADER]: snapshot.checkpoint,
        };
        if (headers.get("if-none-match") === snapshot.etag) {
          return { status: 304, headers: shared, cookies: [], body: null };
        }
        return text(snapshot.octets, { ...shared, "content-type": SNAPSHOT_TYPE });
      },
      "follower",
    ),
    following(
      {
        method: "GET",
        path: FEED_PATHS.poll,
        group: "Revocation",
        summary: "What was revoked after a position, where no stream can be held",
        query: z.strictObject({
          after: position.describe("everything up to here is applied: epoch.seq"),
          ping: count.describe("the heartbeat echoes it: the lease runs from before it was sent"),
          instance: id.optional().describe("the one of the answer before"),
          accept_ms: count.max(ACCEPT_MAX_MS).optional().describe("how long the owner accepts without a lease"),
        }),
        answer: { status: 200, schema: null, says: `Frames, one a line (\`${POLL_TYPE}\`).` },
      },
      async ({ query, headers }, verifier): Promise<Reply> => {
        const after = parsePosition(query.after);
        if (after === null) return invalid("/after", "must be a position: epoch.seq");
        const { ping, instance = null, accept_ms: acceptMs = 0 } = query;
        const checkpoint = headers.get(CHECKPOINT_HEADER);
        const frames = await feed.poll({ verifier, after, ping, instance, acceptMs, checkpoint });
        const lines = frames.map((frame) => `${encodePollLine(frame)}\n`).join("");
        return text(lines, { "content-type": POLL_TYPE, "cache-control": "no-store" });
      },
      "follower",
    ),
    open(
      {
        method: "GET",
        path: FEED_PATHS.stream,
        group: "Revocation",
        summary: "The stream of what is revoked (WebSocket)",
        answer: { status: 101, schema: null, says: "The stream; its first frame is the verifier's hello." },
        problems: ["upgrade_required"],
      },
      async () => problem("upgrade_required", { headers: { upgrade: "websocket", connection: "upgrade" } }),
    ),
  ];
}

/** Only the login server gives tickets. */
export function ticketRoutes(feed: Pick<Feed, "ticket">): readonly Route[] {
  return [
    following(
      {
        method: "POST",
        path: TICKET_PATH,
        group: "Revocation",
        summary: "A ticket to follow a relay with, in place of the secret",
        body: z.strictObject({
          accept_ms: z.number().int().min(0).max(ACCEPT_MAX_MS).optional().describe("as when polling"),
          instance: id.optional().describe("the one of the answer before"),
        }),
        answer: {
          status: 200,
          schema: z.object({
            ticket: z.string().describe("a signed text for relays; it does for nothing else"),
            instance: z.string().describe("under which this process is counted where it may accept without a lease"),
            expires_in: z.number().int().describe("seconds; get the next one when half of that is over"),
            server_time: z.number().int().describe("milliseconds since 1970"),
          }),
          says: "The ticket.",
        },
      },
      async ({ body }, verifier) => {
        const { accept_ms: acceptMs = 0, instance = null } = body;
        const { ticket, instance: given, expiresIn, serverTime } = await feed.ticket({ verifier, acceptMs, instance });
        return json(200, { ticket, instance: given, expires_in: expiresIn, server_time: serverTime });
      },
    ),
  ];
}
