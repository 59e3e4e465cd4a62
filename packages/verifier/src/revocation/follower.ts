/**
 * The verifier's end of the feed as a pure state machine: what happened goes in with the clocks' reading, what is to be
 * done comes out. feed.ts runs it on real sockets, a simulation on simulated ones.
 *
 *            ┌────────────────────────── resync, new epoch, other feed key ───────────────────────────┐
 *            ▼                                                                                        │
 *   idle ► loading ──loaded──► opening ──welcome──► following ──gap, garbage, silence, loss──► waiting┤
 *            ▲  │ failed          │ lost, too late                                              │     │
 *            │  └──────────────► waiting ◄──────────── polling (a poll is a ping) ◄─────────────┘     │
 *            └──────────────────────┘                                                                 │
 *
 * Three rules carry the guarantee, and each has its place below:
 * - the position moves when entries are applied (`applied`), and only then is anything acknowledged;
 * - a lease is counted from the ping's sending, and needs the echo of that very ping and everything up to its head applied;
 * - nothing here takes an entry away. A snapshot of a new epoch is added to what is known.
 */
import {
  CIRCLE,
  type Follower,
  type FollowerAction,
  type FollowerEvent,
  type Found,
  type LoadedCopy,
  type Phase,
  type Step,
} from "./follower-state.ts";
import { adopt, ago, forgetting, grant, keep, later, leaseMsOf, notePing, wellIfTrusted } from "./follower-trust.ts";
import type { ClientFrame, Greeting, Heartbeat, Rev, ServerFrame, Welcome } from "./frames.ts";
import { clocksAgree, elapsed, type Lease, type Moment } from "./lease.ts";
import { comparePositions, type Position } from "./position.ts";

/** A stream on which nothing came for so long is given up: three pings without an echo. */
const SILENCE_MS = 3_000;
const OPENING_MS = 15_000;
const POLL_TIMEOUT_MS = 10_000;
/** Waits double from the first to the longest, and are drawn anew each time, so that a thousand verifiers do not come at once. */
const WAIT_FIRST_MS = 250;
const WAIT_LONGEST_MS = 10_000;
/** After what will not mend by itself soon: wrong credentials, a full set. */
const WAIT_LONG_MS = 30_000;
/**
 * Streams that fail this often are taken for impossible here (a proxy that knows no WebSocket) while polls succeed. After a
 * spell of polling one is tried again, and each time that this fails the next spell is twice as long.
 */
const STREAM_FAILURES_MAX = 3;
const POLL_SPELL_FIRST_MS = 5_000;
const POLL_SPELL_LONGEST_MS = 60_000;
const TAMPERED = "entries were lost or changed between the issuer and here";

/** @param chance drawn evenly from 0 to below 1 */
export function step(state: Follower, event: FollowerEvent, now: Moment, chance: number): Step {
  if (state.phase.is === "closed") return [state, []];
  switch (event.type) {
    case "started":
      if (state.phase.is !== "idle") return [state, []];
      return event.copy === null ? load(state) : connect(adopt(state, event.copy, now), now);
    case "loaded":
      return loaded(state, event.attempt, event.copy, now, chance);
    case "load_failed":
      if (state.phase.is !== "loading" || state.phase.attempt !== event.attempt) return [state, []];
      return wait({ ...state, trouble: event.reason }, "load", now, chance);
    case "frame":
      if (!isPresent(state, event.link)) return [state, []];
      return event.frame === null
        ? leave(state, "a frame could not be read", now, chance)
        : onFrame(state, event.frame, now, chance);
    case "polled":
      return polled(state, event.link, event.frames, now, chance);
    case "lost":
      return isPresent(state, event.link) ? lost(state, event.reason, now, chance) : [state, []];
    case "applied":
      return applied(state, event.era, event.to, now);
    case "overflowed":
      return leave(state, "the set of revocations is full", now, chance, { next: "load", least: WAIT_LONG_MS });
    case "checkpoint":
      return checkpoint(known(state, event), event.link, event.found, now, chance);
    case "cleared":
      return tell(state, { type: "ack", position: event.position, behind: event.behind });
    case "renewed":
      return tell(state, { type: "ticket", ticket: event.ticket });
    case "woken":
      return woken(state, now, chance);
    case "closed": {
      const link = linkOf(state);
      const shut: Follower = { ...state, phase: { is: "closed" }, lease: null, owed: null };
      return [shut, link === null ? [] : [{ do: "disconnect", link, released: event.kept !== true }]];
    }
  }
}

function linkOf({ phase }: Follower): number | null {
  return "link" in phase ? phase.link : null;
}

function isPresent(state: Follower, link: number): boolean {
  return linkOf(state) === link;
}

function tell(state: Follower, frame: ClientFrame): Step {
  const { phase } = state;
  return [state, phase.is === "following" ? [{ do: "send", link: phase.link, frame }] : []];
}

function load(state: Follower): Step {
  const attempt = state.nextLink;
  return [
    { ...state, nextLink: attempt + 1, phase: { is: "loading", attempt }, owed: null },
    [{ do: "load", attempt }],
  ];
}

function loaded(state: Follower, attempt: number, copy: LoadedCopy, now: Moment, chance: number): Step {
  const { phase, position } = state;
  if (phase.is !== "loading" || phase.attempt !== attempt) return [state, []];
  // Epochs only rise. Within one, a snapshot may lie behind us: what is known stays, and is heard once more.
  if (position !== null && copy.position.epoch < position.epoch) {
    return wait({ ...state, trouble: "the snapshot is of an earlier epoch" }, "load", now, chance);
  }
  return connect(adopt(state, copy, now), now);
}

function connect(state: Follower, now: Moment): Step {
  const { position, settings, instance, nextLink: link } = state;
  if (position === null) return load(state);
  const opened: Follower = {
    ...state,
    nextLink: link + 1,
    received: position,
    acked: position,
    asked: null,
    owed: null,
    pings: [],
  };
  if (!settings.streams || now.mono < state.pollUntil) return poll(opened, link, now);
  const signed = state.proof === null ? {} : { checkpoint: state.proof.checkpoint };
  const greeting: Greeting = { type: "hello", after: position, instance, acceptMs: settings.acceptMs, ...signed };
  return [
    { ...opened, phase: { is: "opening", link, after: position, until: now.mono + openingOf(state) } },
    [{ do: "connect", link, greeting }],
  ];
}

/** For how long a stream may open. Where polling works, an attempt must not cost the lease. */
function openingOf({ pollSpell, signedLeaseMs, settings }: Follower): number {
  return pollSpell === 0 ? OPENING_MS : Math.min(OPENING_MS, signedLeaseMs / 2, settings.maxStaleness / 2);
}

function poll(state: Follower, link: number, now: Moment): Step {
  const { position, instance } = state;
  if (position === null) return load(state);
  const [pinged, ping] = notePing(state, now);
  const phase: Phase = { is: "polling", link, after: position, asking: true, until: now.mono + POLL_TIMEOUT_MS };
  const { proof } = state;
  const checkpoint = proof !== null && comparePositions(proof.position, position) > 0 ? proof.checkpoint : null;
  return [{ ...pinged, phase }, [{ do: "poll", link, after: position, ping, instance, checkpoint }]];
}

/** Gives the link up and comes back later, from the position that is applied. */
function leave(
  state: Follower,
  trouble: string,
  now: Moment,
  chance: number,
  { next = "connect", least = 0 }: { next?: "load" | "connect"; least?: number } = {},
): Step {
  const link = linkOf(state);
  const counted = state.phase.is === "opening" ? streamFailed(state, now) : state;
  const [waiting, actions] = wait({ ...counted, trouble }, next, now, chance, least);
  return [waiting, link === null ? actions : [{ do: "disconnect", link, released: false }, ...actions]];
}

function streamFailed(state: Follower, now: Moment): Follower {
  const { pollSpell } = state;
  const streamFailures = state.streamFailures + 1;
  if (pollSpell === 0 && streamFailures < STREAM_FAILURES_MAX) return { ...state, streamFailures };
  const spell = pollSpell === 0 ? POLL_SPELL_FIRST_MS : Math.min(2 * pollSpell, POLL_SPELL_LONGEST_MS);
  return { ...state, streamFailures: 0, pollSpell: spell, pollUntil: now.mono + spell };
}

/** The link broke, or nothing came of it. Where a poll fails too, the server is away: that says nothing against streams. */
function lost(state: Follower, trouble: string, now: Moment, chance: number): Step {
  const away = state.phase.is === "polling" && { streamFailures: 0, pollSpell: 0, pollUntil: 0 };
  return leave({ ...state, ...away }, trouble, now, chance);
}

function wait(state: Follower, next: "load" | "connect", now: Moment, chance: number, least = 0): Step {
  const span = Math.min(WAIT_FIRST_MS * 2 ** state.failures, WAIT_LONGEST_MS);
  const until = now.mono + least + chance * span;
  const failures = Math.min(state.failures + 1, 16);
  return [{ ...state, failures, phase: { is: "waiting", until, next }, owed: null, pings: [] }, []];
}

function onFrame(state: Follower, frame: ServerFrame, now: Moment, chance: number): Step {
  const { phase } = state;
  if (frame.type === "refused") {
    const unknown = frame.code === "unauthorized";
    // What was good until now may be too old to be shown again. What was refused twice will not be taken soon; but a ticket
    // is another each time, and the issuer itself says where no more are to be had.
    const least = unknown && state.failures > 0 && !state.settings.vouched ? WAIT_LONG_MS : 0;
    // Somebody else came under our id: we are not that one any more.
    const instance = frame.code === "superseded" ? null : state.instance;
    const left = leave({ ...state, instance }, `the server refused: ${frame.code}`, now, chance, { least });
    return unknown ? [left[0], [...left[1], { do: "renew" }]] : left;
  }
  if (frame.type === "resync") return resync(state, `the server asked for it: ${frame.reason}`, now, chance);
  if (frame.type === "welcome") return welcome(state, frame, now, chance);
  if (phase.is === "opening") return leave(state, "a frame came before its time", now, chance);
  const heard: Follower = phase.is === "following" ? { ...state, phase: { ...phase, heard: now } } : state;
  switch (frame.type) {
    case "rev":
      return onRev(heard, frame, now, chance);
    case "hb":
      return heartbeat(heard, frame, now, chance);
    case "ask":
      return acknowledge({ ...heard, asked: frame.position }, false);
    case "drain": {
      if (heard.phase.is !== "following") return [heard, []];
      return [{ ...heard, phase: { ...heard.phase, leaveAt: now.mono + chance * frame.afterMs } }, []];
    }
  }
}

/** A snapshot is needed: not at once, as a thousand others may need one at the same moment. */
function resync(state: Follower, trouble: string, now: Moment, chance: number): Step {
  return leave(state, trouble, now, chance, { next: "load" });
}

function welcome(state: Follower, frame: Welcome, now: Moment, chance: number): Step {
  const { phase, feedKey, settings } = state;
  if (phase.is !== "opening" && phase.is !== "polling") return leave(state, "a second welcome came", now, chance);
  if (settings.relay !== null && frame.relays?.includes(settings.relay)) {
    return leave(state, CIRCLE, now, chance, { least: WAIT_LONG_MS });
  }
  // Entries are made with the feed key: under another, what is in the stream would meet no token.
  if (feedKey === null || !sameOctets(feedKey, frame.feedKey)) return resync(state, "another feed key", now, chance);
  if (comparePositions(phase.after, frame.position) !== 0) {
    return resync(state, "the stream goes on from another position", now, chance);
  }
  const known: Follower = { ...state, instance: frame.instance };
  if (phase.is === "polling") return [known, []];
  const { link } = phase;
  const streams: Follower = { ...known, streamFailures: 0, pollSpell: 0 };
  const [pinged, n] = notePing({ ...streams, phase: { is: "following", link, heard: now, leaveAt: null } }, now);
  return [pinged, [{ do: "send", link, frame: { type: "ping", n } }]];
}

function sameOctets(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, at) => octet === other[at]);
}

function onRev(state: Follower, rev: Rev, now: Moment, chance: number): Step {
  const { received } = state;
  if (received === null || rev.to.epoch !== received.epoch) return resync(state, "another epoch", now, chance);
  // Heard already: harmless.
  if (comparePositions(rev.to, received) <= 0) return [state, []];
  if (comparePositions(rev.from, received) > 0) return leave(state, "there is a gap in the stream", now, chance);
  return [{ ...state, received: rev.to }, [{ do: "apply", era: state.era, rev }]];
}

function heartbeat(state: Follower, frame: Heartbeat, now: Moment, chance: number): Step {
  const { received, position, pings } = state;
  const ping = pings.find(({ n }) => n === frame.echo);
  // An echo of what was not sent, or was answered already: late, doubled or made up. It tells nothing.
  if (ping === undefined || received === null) return [state, []];
  const told: Follower = { ...state, head: frame.head, pings: pings.filter(({ n }) => n > frame.echo) };
  if (frame.head.epoch !== received.epoch) return resync(told, "another epoch", now, chance);
  // Everything up to the head comes before it. What is missing was lost.
  if (comparePositions(frame.head, received) > 0) return leave(told, "there is a gap in the stream", now, chance);
  if (!clocksAgree(frame.serverTime, ping.sent, now)) {
    return [{ ...told, trouble: "this machine's clock is more than ten minutes off the server's" }, []];
  }
  // Both clocks were ahead for a while, and are not any more: what was forgotten meanwhile may be wanted.
  if (frame.serverTime < state.forgotten) return resync(told, "the clocks went back", now, chance);
  const { ageMs: age = 0 } = frame;
  const ms = leaseMsOf(state, frame);
  const lease: Lease = { sent: ping.sent, ms, age, heard: now, behind: frame.serverTime - now.wall };
  const [next, forget] = forgetting(told, frame.serverTime, now);
  if (position === null || comparePositions(frame.head, position) > 0) {
    return [{ ...next, owed: { head: frame.head, lease } }, [forget]];
  }
  return [grant(next, lease, now), [forget]];
}

/** Only now do the entries count: the position moves, may be acknowledged, and gives the lease that waited for it. */
function applied(state: Follower, era: number, to: Position, now: Moment): Step {
  const { position, received, owed } = state;
  // What was applied before a snapshot came is known, but moves nothing: the log may have lost its tail since.
  if (position === null || received === null || era !== state.era) return [state, []];
  if (comparePositions(to, position) <= 0) return [state, []];
  const moved: Follower = { ...state, position: to, received: comparePositions(to, received) > 0 ? to : received };
  const due = owed !== null && comparePositions(owed.head, to) <= 0 ? grant(moved, owed.lease, now) : moved;
  // A relay speaks for others, who are not asked yet.
  return acknowledge(due, false);
}

/**
 * Says what is applied where the server does not know it: at once where somebody waits for it, else with the next ping. A
 * thousand verifiers that answered every entry would cost a thousand answers each time, and nobody asked.
 */
function acknowledge(state: Follower, now: boolean): Step {
  const { position, acked, asked, settings } = state;
  if (position === null || acked === null || comparePositions(position, acked) <= 0) return [state, []];
  const isAwaited = asked !== null && comparePositions(acked, asked) < 0 && comparePositions(asked, position) <= 0;
  // A relay speaks for others, who are not asked yet.
  if (!(now || isAwaited) || settings.relay !== null || state.phase.is !== "following") return [state, []];
  return tell({ ...state, acked: position }, { type: "ack", position });
}

function polled(
  state: Follower,
  link: number,
  frames: readonly ServerFrame[] | null,
  now: Moment,
  chance: number,
): Step {
  if (state.phase.is !== "polling" || state.phase.link !== link || !state.phase.asking) return [state, []];
  if (frames === null) return leave(state, "the answer could not be read", now, chance);
  if (frames[0]?.type === "hb" || frames[0]?.type === "rev")
    return leave(state, "a frame came before its time", now, chance);
  let next = state;
  const actions: FollowerAction[] = [];
  for (const frame of frames) {
    const [after, more] = onFrame(next, frame, now, chance);
    next = after;
    actions.push(...more);
    if (!isPresent(next, link)) return [next, actions];
  }
  if (next.phase.is !== "polling") return [next, actions];
  // What arrived is acknowledged by asking from behind it, so that is not put off.
  const hasNews = actions.some((action) => action.do === "apply");
  const until = hasNews ? now.mono : Math.max(now.mono, next.pingAt);
  return [{ ...next, phase: { ...next.phase, asking: false, until } }, actions];
}

function known(state: Follower, { found, checkpoint }: FollowerEvent & { type: "checkpoint" }): Follower {
  return found.is === "signed" ? keep(state, { position: found.position, checkpoint }) : state;
}

function checkpoint(state: Follower, link: number, found: Found, now: Moment, chance: number): Step {
  if (!isPresent(state, link)) return [state, []];
  const { received, verified, settings } = state;
  if (found.is === "forged") {
    return distrust(leave({ ...state, lease: null }, "a checkpoint was not the issuer's", now, chance));
  }
  const { position, since, entries, age } = found;
  // The issuer's log is further than whoever feeds us said: entries were kept back.
  if (received === null || comparePositions(position, received) > 0) {
    return distrust(resync({ ...state, lease: null }, "a checkpoint is ahead of the stream", now, chance));
  }
  if (entries === "other") {
    // Whoever feeds us does so again, or the issuer and we do not agree on something: a snapshot each second helps nobody.
    const least = settings.vouched ? 0 : WAIT_LONG_MS;
    return distrust(leave({ ...state, lease: null, vouch: null }, TAMPERED, now, chance, { next: "load", least }));
  }
  if (entries === "gone" || verified === null || position.epoch !== verified.epoch) return [state, []];
  if (comparePositions(since, verified) > 0 && settings.vouched) {
    return resync({ ...state, vouch: null }, "too much came to be checked by a checkpoint", now, chance);
  }
  const vouch = later(state.vouch, ago(now, age));
  const further = comparePositions(position, verified) > 0 ? position : verified;
  return [wellIfTrusted({ ...state, verified: further, vouch }, now), []];
}

function distrust([state, actions]: Step): Step {
  return [state, [...actions, { do: "distrust" }]];
}

function woken(state: Follower, now: Moment, chance: number): Step {
  const { phase } = state;
  switch (phase.is) {
    case "waiting":
      if (now.mono < phase.until) return [state, []];
      return phase.next === "load" ? load(state) : connect(state, now);
    case "opening":
      if (now.mono < phase.until) return [state, []];
      return leave(state, "the server did not answer", now, chance);
    case "polling":
      if (now.mono < phase.until) return [state, []];
      if (phase.asking) return lost(state, "the server did not answer", now, chance);
      // Once in a while the stream is tried again.
      if (state.settings.streams && now.mono >= state.pollUntil) return connect(state, now);
      return poll(state, phase.link, now);
    case "following": {
      const { link, heard, leaveAt } = phase;
      if (elapsed(heard, now) >= SILENCE_MS) return leave(state, "the server fell silent", now, chance);
      if (leaveAt !== null && now.mono >= leaveAt) {
        const [next, actions] = connect(state, now);
        return [next, [{ do: "disconnect", link, released: false }, ...actions]];
      }
      if (now.mono < state.pingAt) return [state, []];
      const [told, acks] = acknowledge(state, true);
      const [pinged, n] = notePing(told, now);
      return [pinged, [...acks, { do: "send", link, frame: { type: "ping", n } }]];
    }
    default:
      return [state, []];
  }
}
