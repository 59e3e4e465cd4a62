/**
 * Farewell: a sign-out takes effect here at once, and at the server as soon as it can be told.
 *
 *   signOut ──► the document says "leaving", every tab is signed out ──► DELETE ──► forgotten
 *                          ▲                                               │
 *                          └──── outage: the note stays, for the next try or the next start
 */
import { forgotten, type Leaving, left, type SignedOut } from "./document.ts";
import type { Keeper } from "./keeper.ts";
import type { Outage } from "./outage.ts";
import { isDefinite } from "./refresh.ts";
import type { Wire } from "./wire.ts";
import { type Clock, instant } from "./world.ts";

export type SignOutResult =
  /** `pending`: signed out here; the server could not be told yet, which is tried again when the client next starts. */
  | { readonly ok: true; readonly server: "ended" | "pending" }
  | { readonly ok: false; readonly code: "signed_out"; readonly ended: SignedOut | null }
  /** Only with `everywhere`: this session had ended at the server before, so it could not end the others. */
  | { readonly ok: false; readonly code: "already_over" };

type Parting = "ended" | "over" | "pending";

export interface FarewellParts {
  readonly wire: Wire;
  readonly keeper: Keeper;
  readonly outage: Outage;
  readonly clock: Clock;
}

export function createFarewell({ wire, keeper, outage, clock }: FarewellParts) {
  async function part(leaving: Leaving): Promise<Parting> {
    // The token at hand may have died on the way here; the second one is brand-new.
    for (let tries = 0; tries < 2; tries += 1) {
      const last = await keeper.lastToken(leaving);
      if (last === "outage") return "pending";
      if (last === "over") return "over";
      const answer = await wire.call({
        method: "DELETE",
        path: leaving.everywhere ? "v1/sessions" : "v1/sessions/current",
        headers: { authorization: `Bearer ${last.token}` },
        // The cookies may be those of the next sign-in by now.
        withoutCookies: (await keeper.look()).held !== null,
      });
      if (answer.status === 204) return "ended";
      if (!isDefinite(answer)) {
        outage.failed(answer);
        return "pending";
      }
      if (answer.status !== 401) return "over";
    }
    return "over";
  }

  /** Tells the server of everyone who is leaving. */
  async function partAll(): Promise<ReadonlyMap<string, Parting>> {
    if ((await keeper.look()).leaving.length === 0) return new Map();
    return keeper.exclusively(async () => {
      const partings = new Map<string, Parting>();
      for (const leaving of (await keeper.look()).leaving) {
        const parting = await part(leaving);
        partings.set(leaving.session, parting);
        if (parting !== "pending") await keeper.change((document) => forgotten(document, leaving.session));
      }
      return partings;
    });
  }

  async function signOut(everywhere: boolean): Promise<SignOutResult> {
    const since = instant(clock);
    const { held, ended } = await keeper.look();
    if (held === null) return { ok: false, code: "signed_out", ended };
    await keeper.change((document) =>
      document.held?.session.id === held.session.id ? left(document, everywhere) : document,
    );
    for (;;) {
      // No note left: another tab has told the server meanwhile.
      const parting = (await partAll()).get(held.session.id) ?? "ended";
      if (parting === "over" && everywhere) return { ok: false, code: "already_over" };
      if (parting !== "pending") return { ok: true, server: "ended" };
      try {
        await outage.pause(since);
      } catch {
        return { ok: true, server: "pending" };
      }
    }
  }

  return { partAll, signOut };
}
