/**
 * A signing key's life, and the schedule that moves it.
 *
 *   upcoming ──► active ──► retired ──► gone          any of the first three ──► revoked
 *   published     signs      verifies    forgotten                              every token it signed is refused
 *
 * A key is published before it signs (an upcoming one is always there) and stays published after it stopped until the
 * highest `exp` that it ever signed has passed. So rotation never causes a refused token. `plan` is the whole schedule
 * as a pure function: from the keys and the time to the changes that are due.
 */
import type { AlgorithmName } from "@mapae/verifier/jose";

export const KEY_STATES = ["upcoming", "active", "retired", "revoked", "gone"] as const;
export type KeyState = (typeof KEY_STATES)[number];

export interface SigningKeyRecord {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly alg: AlgorithmName;
  readonly state: KeyState;
  /** The public JWK; `null` for a shared secret, which is never published. */
  readonly publicJwk: Readonly<Record<string, unknown>> | null;
  /** The private key (PKCS #8), encrypted under a data key of the vault; `null` for a shared secret and once gone. */
  readonly sealedPrivate: Buffer | null;
  readonly dataKey: number;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly activatedAt: number | null;
  readonly retiredAt: number | null;
  /** Unix seconds: no token that this key signed expires later. Stored before the token leaves. */
  readonly highestExp: number;
}

export interface KeySchedule {
  readonly alg: AlgorithmName;
  /** How long a key signs, in milliseconds; 0: until an operator rotates. */
  readonly rotateAfterMs: number;
  /** How long a key must have been published before it signs, so that every verifier has it. */
  readonly publishLeadMs: number;
  /** For how long a verifier may keep a key set, and not know of a key that was made since. */
  readonly cachedMs: number;
  /** How long after its highest `exp` a retired key stays published (the verifiers' clock tolerance), in seconds. */
  readonly toleranceSeconds: number;
}

export type KeyAction =
  | { readonly action: "generate"; readonly state: "upcoming" | "active" }
  | { readonly action: "move"; readonly kid: string; readonly to: KeyState };

/** What is due now: `now` in Unix milliseconds. Applying it and planning again reaches a plan of nothing. */
export function plan(keys: readonly SigningKeyRecord[], schedule: KeySchedule, now: number): readonly KeyAction[] {
  const ofAlg = (state: KeyState) => keys.filter((key) => key.state === state && key.alg === schedule.alg);
  const active = ofAlg("active")[0];
  const upcoming = ofAlg("upcoming").sort((a, b) => a.createdAt - b.createdAt)[0];
  const actions: KeyAction[] = [];

  const strangers = keys.filter(
    (key) => key.alg !== schedule.alg && (key.state === "active" || key.state === "upcoming"),
  );
  for (const key of strangers) actions.push({ action: "move", kid: key.kid, to: "retired" });
  for (const key of keys) {
    const forgettable = now / 1000 > key.highestExp + schedule.toleranceSeconds;
    if (key.state === "retired" && forgettable) actions.push({ action: "move", kid: key.kid, to: "gone" });
  }
  if (upcoming === undefined) actions.push({ action: "generate", state: "upcoming" });
  if (active === undefined) {
    // Nothing signs: the first start, or the active key was revoked. Verifiers fetch an unknown kid, so at once is right.
    actions.push(
      upcoming === undefined
        ? { action: "generate", state: "active" }
        : { action: "move", kid: upcoming.kid, to: "active" },
    );
  } else if (upcoming !== undefined && schedule.rotateAfterMs > 0) {
    const due = (active.activatedAt ?? active.createdAt) + schedule.rotateAfterMs;
    const known = upcoming.createdAt + schedule.publishLeadMs;
    if (now >= due && now >= known) actions.push(...handOver(active.kid, upcoming.kid));
  }
  return actions;
}

/** From when on (Unix milliseconds) every verifier that keeps to the rules knows a key: it signs before that at its tokens' peril. */
export function knownFrom(key: SigningKeyRecord, schedule: KeySchedule): number {
  return key.createdAt + schedule.cachedMs;
}

/** The active key stops signing and the upcoming one begins. */
export function handOver(active: string, upcoming: string): readonly KeyAction[] {
  return [
    { action: "move", kid: active, to: "retired" },
    { action: "move", kid: upcoming, to: "active" },
  ];
}
