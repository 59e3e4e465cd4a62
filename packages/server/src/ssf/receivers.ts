/**
 * Adding, changing and removing receivers: what the admin API and the command line share. Adding asks the provider where it
 * has what, and makes the stream there, unless one is named that somebody made by hand.
 */
import { type Cause, draft } from "../audit/event.ts";
import { faultOfTarget, type MayReach } from "../delivery/target.ts";
import { newId } from "../prelude/ids.ts";
import { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { audit } from "../revocation/effects.ts";
import type { Vault } from "../vault/vault.ts";
import { openReceiverCredential, sealReceiverCredential } from "./credential.ts";
import { stateHash as sha256 } from "./intake.ts";
import { WANTED_EVENTS } from "./measure.ts";
import type { ReceivedStream, Receiver, ReceiverSettings } from "./receiver.ts";
import type { ReceiverStore } from "./receiver-store.ts";
import type { Found, Transmitter } from "./transmitter.ts";

export interface ReceiverWish extends Pick<ReceiverSettings, "domains" | "disables"> {
  readonly issuer: string;
  readonly method: "push" | "poll";
  /** A stream that is there already; `null`: one is made. */
  readonly streamId: string | null;
  /** Where to poll, of a provider whose streams cannot be read. */
  readonly pollUrl: string | null;
  /** What the events must be for; `null`: as the provider says. */
  readonly audience: string | null;
  /** What is shown to the provider as `Authorization`. */
  readonly credential: Secret | null;
}

/** A receiver, and for one that is pushed to and whose stream was not made from here, what the provider has to be told. */
export interface ReceiverAdded {
  readonly receiver: Receiver;
  readonly push: { readonly url: string; readonly authorization: Secret } | null;
}

export type AddOutcome =
  | ({ readonly ok: true } & ReceiverAdded)
  | { readonly ok: false; readonly code: "conflict" }
  /** The provider cannot be used so; a sentence says why. */
  | { readonly ok: false; readonly code: "provider"; readonly detail: string };

export interface ReceiverAction {
  add(wish: ReceiverWish, cause: Cause): Promise<AddOutcome>;
  change(receiver: Receiver, settings: Partial<ReceiverSettings>, cause: Cause): Promise<Receiver | undefined>;
  /** Asks the provider for a verification event; `null`, or why not. */
  verify(receiver: Receiver): Promise<string | null>;
  /** @returns why the stream at the provider may still be there; `null`: it is not, or is not ours */
  remove(receiver: Receiver, cause: Cause): Promise<{ readonly left: string | null } | undefined>;
}

export function createReceiverAction(services: {
  readonly receivers: ReceiverStore;
  readonly transmitter: Transmitter;
  readonly verify: (receiver: Receiver) => Promise<string | null>;
  readonly vault: Vault;
  readonly mayReach: MayReach;
  readonly issuer: string;
  /** Something changed that is listened to. */
  readonly wake: () => void;
  readonly world: World;
}): ReceiverAction {
  const { receivers, transmitter, verify, vault, mayReach, issuer, wake, world } = services;

  const streamFor = async (
    wish: ReceiverWish,
    endpoint: string | null,
    push: ReceiverAdded["push"],
  ): Promise<Found<ReceivedStream>> => {
    const { issuer: theirs, streamId, audience, pollUrl, credential } = wish;
    if (endpoint === null) {
      const known = streamId !== null && audience !== null && (push !== null || pollUrl !== null);
      if (known) return { ok: true, value: { id: streamId, audience: [audience], pollUrl, made: false } };
      return { ok: false, why: "its streams are managed by hand: name the stream, its audience, and where to poll it" };
    }
    if (streamId !== null) return transmitter.readStream(theirs, endpoint, streamId, credential);
    const request = { events: WANTED_EVENTS, description: `Mapae at ${issuer}`, push };
    return transmitter.createStream(theirs, endpoint, request, credential);
  };

  const undo = async (stream: ReceivedStream, endpoint: string | null, credential: Secret | null): Promise<void> => {
    if (stream.made && endpoint !== null) await transmitter.deleteStream(endpoint, stream.id, credential);
  };

  return {
    add: async (wish, cause) => {
      const no = (detail: string): AddOutcome => ({ ok: false, code: "provider", detail });
      if (wish.issuer === issuer) return no("That is this server's own issuer.");
      const wrong = wish.pollUrl === null ? null : faultOfTarget(wish.pollUrl, mayReach);
      if (wrong !== null) return no(`The address to poll ${wrong}.`);
      const found = await transmitter.discover(wish.issuer);
      if (!found.ok) return no(`The provider cannot be used: ${found.why}.`);
      const facts = found.value;
      const id = newId("receiver", world.random);
      const push =
        wish.method === "poll"
          ? null
          : {
              url: `${issuer}/ssf/events/${id}`,
              authorization: new Secret(`Bearer ${world.random.bytes(32).toString("base64url")}`),
            };
      // Pushes of a stream that is being made may come before it is written down here; they come again.
      const stream = await streamFor(wish, facts.configurationEndpoint, push);
      if (!stream.ok) return no(`The provider cannot be used: ${stream.why}.`);
      const { value } = stream;
      if ((value.pollUrl === null) !== (push !== null)) return no(`Its stream is not one that is ${wish.method}ed.`);
      if (wish.audience !== null && !value.audience.includes(wish.audience)) {
        await undo(value, facts.configurationEndpoint, wish.credential);
        return no("Its stream is for another audience.");
      }
      const audience = wish.audience === null ? value.audience : [wish.audience];
      const plan = {
        ...{ id, issuer: wish.issuer, facts, domains: wish.domains, disables: wish.disables },
        stream: { ...value, audience },
        credential: wish.credential && sealReceiverCredential(id, wish.credential, vault, world),
        pushHash: push === null ? null : sha256(push.authorization.reveal()),
      };
      const detail = { receiver: id, issuer: wish.issuer, method: wish.method };
      const made = await receivers.create(plan, [audit(draft("ssf.receiver_added", cause, {}, detail))]);
      if (made === "too_many") {
        await undo(value, facts.configurationEndpoint, wish.credential);
        return { ok: false, code: "conflict" };
      }
      wake();
      return { ok: true, receiver: made, push: value.made ? null : push };
    },
    change: async (receiver, settings, cause) => {
      const { domains, disables, state } = { ...receiver, ...settings };
      const detail = { receiver: receiver.id, state, disables, domains: domains.join(" ") };
      const effect = audit(draft("ssf.receiver_changed", cause, {}, detail));
      const changed = await receivers.note(receiver.id, { note: "settings", settings: { domains, disables, state } }, [
        effect,
      ]);
      wake();
      return changed;
    },
    verify,
    remove: async (receiver, cause) => {
      const effect = audit(draft("ssf.receiver_removed", cause, {}, { receiver: receiver.id }));
      if (!(await receivers.delete(receiver.id, [effect]))) return undefined;
      const { stream, facts, id } = receiver;
      if (!stream.made || facts.configurationEndpoint === null) return { left: null };
      const shown = openReceiverCredential(id, receiver.credential, vault);
      const deleted = await transmitter.deleteStream(facts.configurationEndpoint, stream.id, shown);
      return { left: deleted.ok ? null : deleted.why };
    },
  };
}
