/** From what was seen to rows, each beside its promise and its prediction. */
import { STRATEGIES, type StrategyName } from "../../../packages/server/src/sessions/strategy.ts";
import type { ChaosTold } from "./chaos.ts";
import { FAULTS } from "./faults.ts";
import type { Verdict } from "./ledger.ts";
import { METRICS, type MetricName, type Row } from "./row.ts";
import type { Act, Told } from "./story.ts";
import { expected, type Setting } from "./theory.ts";

interface Promised {
  readonly promised: string | null;
  readonly kept: boolean | null;
}

const NOTHING: Promised = { promised: null, kept: null };

export function rowsOf(
  { strategy, acts, logInBytes, residentMb }: Told,
  given: Omit<Setting, "logins" | "held">,
  seed: number,
): readonly Row[] {
  const rows: Row[] = [];
  let setting: Setting = { ...given, logins: given.users, held: given.users };
  const add = (fault: Act["fault"], metric: MetricName, value: number): void => {
    const { unit } = METRICS[metric];
    const predicted = expected(strategy, fault, metric, setting)?.value ?? null;
    rows.push({
      strategy,
      fault,
      metric,
      value,
      unit,
      ...promiseOf(strategy, fault, metric, value, setting),
      predicted,
      seed,
      servers: given.servers,
    });
  };
  for (const act of acts) {
    const { fault } = act;
    setting = { ...given, logins: act.audit.live, held: act.audit.held };
    const count = (verdict: Verdict): number => act.sightings.filter((seen) => seen.verdict === verdict).length;
    const judged = act.sightings.filter(({ verdict }) => verdict !== "uncertain").length;
    const entitled = count("right") + count("wrong_refusal");
    const hit = new Set(act.sightings.flatMap(({ user, verdict }) => (verdict === "wrong_refusal" ? [user] : [])));
    const during = act.sightings.filter(({ sent }) => sent >= act.began && sent <= act.ended);
    const wrong = during.filter(({ verdict, action }) => action !== "poll" && verdict === "wrong_refusal");
    const entitledDuring = during.filter(
      ({ verdict, action }) => action !== "poll" && (verdict === "right" || verdict === "wrong_refusal"),
    );
    add(fault, "requests", judged);
    add(fault, "wrong_refusals", wrong.length / Math.max(1, entitledDuring.length));
    add(fault, "users_hit", fault === "none" && entitled === 0 ? 0 : hitShare(hit, act, setting));
    add(fault, "errors", during.filter(({ verdict }) => verdict === "error").length / Math.max(1, during.length));
    add(fault, "wrong_user", count("wrong_user"));
    add(fault, "zombies", count("zombie") + act.forced.filter(({ zombie }) => zombie).length);
    add(fault, "devices_kept", count("kept_device"));
    add(fault, "sessions_lost", act.audit.lost / Math.max(1, act.audit.held));
    add(fault, "ends_undone", act.audit.undone);
    add(fault, "recovered", recoveredAfter(act));
    if (fault !== "none") continue;
    const looks = during.flatMap(({ action, verdict, sent, received }) =>
      action === "me" && verdict === "right" ? [received - sent] : [],
    );
    add(fault, "latency_p50", quantile(looks, 0.5));
    add(fault, "latency_p99", quantile(looks, 0.99));
    add(fault, "cpu", (act.cpuSeconds * 1e6) / Math.max(1, during.length));
    const forced = act.forced.map(({ ms }) => ms);
    add(fault, "forced_logout_p50", quantile(forced, 0.5));
    add(fault, "forced_logout_max", Math.max(0, ...forced));
    if (STRATEGIES[strategy].promises.copies !== "never") {
      const mean = act.audit.known.reduce((sum, each) => sum + each, 0) / Math.max(1, act.audit.known.length);
      add(fault, "sessions_per_server", mean);
      add(fault, "skew", Math.max(...act.audit.known) / Math.max(1, mean));
    }
  }
  add("none", "store_bytes_per_login", logInBytes);
  add("none", "resident", residentMb);
  return rows;
}

/** What one log-in costs, beside the story: bytes on the way to the store, or memory, with so many servers. */
export function growthRowOf(
  strategy: StrategyName,
  metric: "store_bytes_per_login" | "memory_per_login",
  servers: number,
  value: number,
  seed: number,
): Row {
  const keepsNone = metric === "memory_per_login" && STRATEGIES[strategy].promises.copies === "never";
  return {
    ...{ strategy, fault: "growth", metric, value, unit: METRICS[metric].unit, seed, servers },
    ...NOTHING,
    predicted: keepsNone ? 0 : null,
  };
}

/** What random faults came to. */
export function chaosRowsOf(told: ChaosTold, seed: number, servers: number): readonly Row[] {
  const { strategy, verdicts, audit } = told;
  const judged = Object.values(verdicts).reduce((sum, each) => sum + each, 0) - verdicts.uncertain;
  const row = (metric: MetricName, value: number, promised: boolean): Row => ({
    ...{ strategy, fault: "chaos", metric, value, unit: METRICS[metric].unit, predicted: null, seed, servers },
    ...(promised ? { promised: "0", kept: value === 0 } : NOTHING),
  });
  return [
    row("faults", told.faults, false),
    row("requests", judged, false),
    row("errors", verdicts.error / Math.max(1, judged), false),
    row("wrong_refusals", verdicts.wrong_refusal / Math.max(1, judged), true),
    row("wrong_user", verdicts.wrong_user, true),
    row("zombies", verdicts.zombie, true),
    row("devices_kept", verdicts.kept_device, true),
    row("sessions_lost", audit.lost / Math.max(1, audit.held), true),
    row("ends_undone", audit.undone, true),
    row("confirmed", told.confirmed, false),
    row("zombies_confirmed", told.accepted, true),
    row("renewed_twice", told.renewedTwice, false),
    row("double_generations", told.doubleGenerations, true),
  ];
}

/** Only users: several wrong refusals of one count once. */
function hitShare(hit: ReadonlySet<string>, act: Act, { users }: Setting): number {
  const during = new Set(
    act.sightings.flatMap(({ user, verdict, action, sent }) =>
      verdict === "wrong_refusal" && action !== "poll" && sent <= act.ended && hit.has(user) ? [user] : [],
    ),
  );
  return during.size / users;
}

/** The last thing that went wrong after the fault, as seen through the balancer. */
function recoveredAfter({ began, ended, sightings }: Act): number {
  const wrong = sightings.filter(
    ({ verdict, action, sent }) =>
      action !== "poll" && sent <= ended && (verdict === "error" || verdict === "wrong_refusal"),
  );
  return wrong.length === 0 ? 0 : Math.max(...wrong.map(({ received }) => received)) - began;
}

function promiseOf(
  strategy: StrategyName,
  fault: Act["fault"],
  metric: MetricName,
  value: number,
  setting: Setting,
): Promised {
  const { promises, routing } = STRATEGIES[strategy];
  const ownOnly = promises.anyServer !== "answers";
  const zero: Promised = { promised: "0", kept: value === 0 };
  switch (metric) {
    case "wrong_user":
    case "zombies":
    case "ends_undone":
      return zero;
    case "devices_kept":
      return promises.limit === "per server" ? NOTHING : zero;
    case "wrong_refusals":
      if (!ownOnly) return FAULTS[fault].singleServer ? zero : NOTHING;
      return routing !== "any" && fault === "none" ? zero : nearTheory(strategy, fault, metric, value, setting);
    case "sessions_lost":
      if (!ownOnly) return FAULTS[fault].singleServer ? zero : NOTHING;
      return nearTheory(strategy, fault, metric, value, setting);
    default:
      return NOTHING;
  }
}

/** What a strategy loses by its nature: as much as theory says, within its interval. */
function nearTheory(
  strategy: StrategyName,
  fault: Act["fault"],
  metric: MetricName,
  value: number,
  setting: Setting,
): Promised {
  const theory = expected(strategy, fault, metric, setting);
  if (theory === null) return NOTHING;
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  return {
    promised: theory.within === 0 ? percent(theory.value) : `${percent(theory.value)} ± ${percent(theory.within)}`,
    kept: Math.abs(value - theory.value) <= theory.within,
  };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
