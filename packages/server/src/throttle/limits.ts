/**
 * Every limit there is, as a table: what is counted, by what, how many at once, and how fast they come back.
 * docs/rate-limits.md prints it, and a test drives the values it prints (ASVS 6.1.1).
 */
import type { BucketRule } from "./bucket.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** What a limit counts by. `account`: the normalised identifier, whether or not the account exists. */
export type LimitKey = "address" | "account" | "device" | "client" | "provider";

export interface Limit extends BucketRule {
  readonly by: LimitKey;
  readonly counts: string;
}

export const LIMITS = {
  login_failures_of_account: {
    by: "account",
    counts: "failed log-ins to one account from devices that never logged in to it",
    capacity: 10,
    refillMs: 5 * MINUTE,
  },
  login_failures_of_device: {
    by: "device",
    counts: "failed log-ins to one account from one device that has logged in to it before",
    capacity: 10,
    refillMs: 5 * MINUTE,
  },
  login_failures_of_address: {
    by: "address",
    counts: "failed log-ins to any account from one address (IPv6: one /64 network)",
    capacity: 50,
    refillMs: 12 * SECOND,
  },
  password_checks_of_account: {
    by: "account",
    counts: "wrong current passwords on routes that change credentials",
    capacity: 10,
    refillMs: 5 * MINUTE,
  },
  sign_ups_of_address: {
    by: "address",
    counts: "sign-ups from one address, taken names included",
    capacity: 60,
    refillMs: 60 * SECOND,
  },
  refused_refreshes_of_address: {
    by: "address",
    counts: "refused refreshes from one address",
    capacity: 120,
    refillMs: 1 * SECOND,
  },
  revocations_of_user: {
    by: "account",
    counts: "tokens, sessions and grants that one user takes back by their ids",
    capacity: 60,
    refillMs: 1 * SECOND,
  },
  revocations_of_client: {
    by: "client",
    counts: "tokens that one client takes back by showing them",
    capacity: 600,
    refillMs: SECOND / 10,
  },
  ends_by_provider: {
    by: "provider",
    counts:
      "events of one other provider (Shared Signals) that end sessions, refuse tokens or disable accounts; others wait",
    capacity: 1000,
    refillMs: 1 * SECOND,
  },
  bad_events_of_provider: {
    by: "provider",
    counts: "events of one other provider that are refused; with none left, all that it sends waits",
    capacity: 100,
    refillMs: 1 * SECOND,
  },
  throttled_log_ins_told: {
    by: "account",
    counts: "entries of the audit log about throttled log-ins to one account, device or address",
    capacity: 1,
    refillMs: 1 * MINUTE,
  },
} as const satisfies Record<string, Limit>;
export type LimitName = keyof typeof LIMITS;
