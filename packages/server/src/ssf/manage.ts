/**
 * Making and changing event streams (SSF 1.0 §8.1): what their receivers and operators share. A receiver has its own
 * streams only; another's is answered like one that does not exist.
 */
import { type Cause, draft } from "../audit/event.ts";
import type { ClientStore } from "../clients/store.ts";
import { faultOfTarget, type MayReach } from "../delivery/target.ts";
import { asId, type ClientId, newId, type StreamId, type UserId } from "../prelude/ids.ts";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { audit } from "../revocation/effects.ts";
import { parseIdentifier } from "../users/identifier.ts";
import type { UserStore } from "../users/store.ts";
import type { Vault } from "../vault/vault.ts";
import { sealCredential } from "./credential.ts";
import type { StreamStore } from "./store.ts";
import type {
  ChangedStream,
  DefaultSubjects,
  Delivery,
  Naming,
  Stream,
  StreamSettings,
  StreamStatus,
} from "./stream.ts";
import type { SimpleSubject, Subject } from "./subject.ts";

/** How events are to come, as somebody asks for it. */
export type DeliveryWish =
  | { readonly method: "poll" }
  | {
      readonly method: "push";
      readonly url: string;
      /** `undefined`: as it was, where the address is the same; what was given for one address is shown to no other. */
      readonly authorization: Secret | null | undefined;
    };

/** What a receiver, or an operator for it, asks for. */
export interface StreamWish {
  readonly delivery: DeliveryWish;
  readonly requested: readonly string[] | null;
  readonly description: string | null;
  readonly naming: Naming;
}

export type StreamMade =
  | { readonly ok: true; readonly stream: Stream }
  /** `conflict`: it, or all together, have as many as there may be. `no_receiver`: no resource server has this id. */
  | { readonly ok: false; readonly code: "conflict" | "no_receiver" }
  /** What is wrong with the address. */
  | { readonly ok: false; readonly code: "bad_target"; readonly detail: string };

export type StreamConfigured =
  | ChangedStream
  | { readonly ok: false; readonly refusal: "bad_target"; readonly detail: string };

/** `unsupported`: no subject that could ever name a user here. */
export type SubjectOutcome = "done" | "not_found" | "too_many" | "unsupported";

export interface StreamAction {
  create(client: ClientId, wish: StreamWish, cause: Cause): Promise<StreamMade>;
  /** What is left out stays as it is. */
  configure(stream: Stream, wish: Partial<StreamWish>, cause: Cause): Promise<StreamConfigured>;
  /** @param asked whether its receiver wants it so; otherwise it is told */
  setStatus(
    id: StreamId,
    wish: { status: StreamStatus; reason: string | null; asked: boolean },
    cause: Cause,
  ): Promise<ChangedStream>;
  verify(id: StreamId, state: string | null): Promise<ChangedStream>;
  /** Tells the stream of a subject's events, or no more. A subject that names nobody is passed over in silence. */
  tell(stream: Stream, subject: Subject, told: boolean, cause: Cause): Promise<SubjectOutcome>;
  delete(stream: Stream, cause: Cause): Promise<boolean>;
  /** Its receiver was heard of. */
  heard(stream: Stream, cause: Cause): Promise<void>;
}

/** A user by a subject that could name one; `null`: it names nobody. */
interface Named {
  readonly user: UserId | null;
}

/** That a receiver asked something is written down this often at the most. */
const HEARD_MS = 60_000;
const NOTHING = { acknowledged: [], refused: [] };

export function createStreamAction(services: {
  readonly streams: StreamStore;
  readonly clients: ClientStore;
  readonly users: UserStore;
  readonly vault: Vault;
  readonly mayReach: MayReach;
  readonly issuer: string;
  readonly defaultSubjects: DefaultSubjects;
  /** There is something to tell. */
  readonly wake: () => void;
  readonly world: World;
}): StreamAction {
  const { streams, clients, users, vault, mayReach, issuer, defaultSubjects, wake, world } = services;

  /** What is wrong with where events are to go; `null`: nothing that can be seen. */
  const faultOf = (wish: DeliveryWish | undefined): string | null =>
    wish?.method === "push" ? faultOfTarget(wish.url, mayReach) : null;

  const deliveryOf = (id: StreamId, wish: DeliveryWish, before: Delivery | null): Delivery => {
    if (wish.method === "poll") return wish;
    const { method, url, authorization } = wish;
    const same = before?.method === "push" && before.url === url ? before.authorization : null;
    const given = authorization && sealCredential(id, authorization, vault, world);
    return { method, url, authorization: given === undefined ? same : given };
  };

  const userOf = (subject: Subject): Promise<Named | null> => {
    if (subject.format !== "complex") return named(subject);
    const user = subject.members.get("user");
    return user === undefined ? Promise.resolve(null) : named(user);
  };
  const named = async (subject: SimpleSubject): Promise<Named | null> => {
    switch (subject.format) {
      case "iss_sub": {
        if (subject.iss !== issuer) return null;
        return { user: (await users.find(asId("user", subject.sub)))?.id ?? null };
      }
      case "email": {
        const parsed = parseIdentifier(subject.email);
        if (!parsed.ok || !parsed.key.includes("@")) return { user: null };
        return { user: (await users.findByIdentifier(parsed.key))?.id ?? null };
      }
      case "aliases": {
        const all = (await Promise.all(subject.identifiers.map(named))).filter((one) => one !== null);
        return all.find(({ user }) => user !== null) ?? all[0] ?? null;
      }
      default:
        return null;
    }
  };

  const changed = (name: "ssf.stream_created" | "ssf.stream_changed" | "ssf.stream_deleted") => {
    return (stream: { id: StreamId; client: ClientId }, cause: Cause, detail: Record<string, string> = {}) =>
      audit(draft(name, cause, { client: stream.client }, { stream: stream.id, ...detail }));
  };

  return {
    create: async (client, wish, cause) => {
      if ((await clients.find(client))?.kind !== "resource_server") return { ok: false, code: "no_receiver" };
      const detail = faultOf(wish.delivery);
      if (detail !== null) return { ok: false, code: "bad_target", detail };
      const id = newId("stream", world.random);
      const delivery = deliveryOf(id, wish.delivery, null);
      const plan = { ...wish, id, client, defaultSubjects, delivery };
      const made = await streams.create(plan, [
        changed("ssf.stream_created")(plan, cause, { method: delivery.method }),
      ]);
      return made === "too_many" ? { ok: false, code: "conflict" } : { ok: true, stream: made };
    },
    configure: async (stream, wish, cause) => {
      const detail = faultOf(wish.delivery);
      if (detail !== null) return { ok: false, refusal: "bad_target", detail };
      const { requested, description, naming } = { ...stream, ...wish };
      const delivery = wish.delivery ? deliveryOf(stream.id, wish.delivery, stream.delivery) : stream.delivery;
      const settings: StreamSettings = { delivery, requested, description, naming };
      const effect = changed("ssf.stream_changed")(stream, cause, { method: delivery.method, naming });
      const outcome = await streams.change(stream.id, { change: "configure", ...settings }, [effect]);
      wake();
      return outcome;
    },
    setStatus: async (id, wish, cause) => {
      const stream = await streams.find(id);
      if (stream === undefined) return { ok: false, refusal: "not_found" };
      const effect = changed("ssf.stream_changed")(stream, cause, { status: wish.status });
      const outcome = await streams.change(id, { change: "status", ...wish }, [effect]);
      wake();
      return outcome;
    },
    verify: async (id, state) => {
      const outcome = await streams.change(id, { change: "verify", state }, []);
      wake();
      return outcome;
    },
    tell: async (stream, subject, told, cause) => {
      const found = await userOf(subject);
      if (found === null) return "unsupported";
      const { user } = found;
      // SSF 1.0 §9.1: who does not exist is not told apart from who does.
      if (user === null) return "done";
      const name = told ? "ssf.subject_added" : "ssf.subject_removed";
      const effect = audit(draft(name, cause, { user, client: stream.client }, { stream: stream.id }));
      return streams.tell(stream.id, user, told, [effect]);
    },
    delete: (stream, cause) => streams.delete(stream.id, [changed("ssf.stream_deleted")(stream, cause)]),
    heard: async (stream, cause) => {
      if (world.clock.now() - stream.activeAt > HEARD_MS) await streams.receive(stream.id, NOTHING, cause);
    },
  };
}
