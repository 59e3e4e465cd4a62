/** The measurements as Prometheus has them. Labels come from closed sets, so that no caller can make new ones. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { MeasuredFeed } from "../feed/serving.ts";
import type { HashAdmissionMetrics } from "../passwords/admission.ts";
import type { Intake } from "../ssf/intake.ts";
import type { Listening } from "../ssf/listen.ts";
import type { Polls } from "../ssf/poll.ts";
import type { Pushes } from "../ssf/push.ts";
import type { WebhookRunner } from "../webhooks/runner.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]);

export interface Observation {
  /** The pattern of the route. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

/** A page of measurements and its content type. */
export interface Exposition {
  readonly type: string;
  readonly text: string;
}

export interface MetricSources {
  readonly hashing: () => HashAdmissionMetrics;
  readonly revocations: () => number;
  readonly feed: MeasuredFeed;
  readonly webhooks: Pick<WebhookRunner, "tally"> | null;
  readonly ssf: {
    readonly polls: Pick<Polls, "tally">;
    readonly pushes: Pick<Pushes, "tally"> | null;
    readonly intake: Pick<Intake, "tally">;
    readonly listening: Pick<Listening, "tally"> | null;
  };
}

export interface Prometheus {
  observe(observation: Observation): void;
  text(): Promise<Exposition>;
}

type MakeGauge = (name: string, help: string, read: () => number) => void;

export function observeFeed(feed: MeasuredFeed, gauge: MakeGauge, registers: Registry[]): void {
  const connected = () => feed.standings().filter((standing) => standing.connected);
  gauge("mapae_feed_connections", "Verifiers that follow the revocations over a stream", () => feed.connections);
  gauge("mapae_feed_instances", "Verifiers that are counted in confirmations", () => feed.standings().length);
  gauge("mapae_feed_head", "Sequence number of the last revocation", () => feed.head.seq);
  gauge("mapae_feed_entries", "Entries that a snapshot has", () => feed.entries);
  gauge("mapae_feed_lag", "Revocations that the slowest connected verifier has not acknowledged", () =>
    Math.max(0, ...connected().map(({ acked }) => (acked.epoch === feed.head.epoch ? feed.head.seq - acked.seq : 0))),
  );
  const { tally } = feed;
  gauge("mapae_feed_heartbeats_total", "Heartbeats sent: leases given", () => tally.heartbeats);
  gauge(
    "mapae_feed_heads_unknown_total",
    "Heartbeats not sent, because the log's head was not certain",
    () => tally.headsUnknown,
  );
  gauge("mapae_feed_resyncs_total", "Verifiers sent to a snapshot", () => tally.resyncs);
  gauge("mapae_feed_polls_total", "Polls answered", () => tally.polls);
  gauge("mapae_feed_snapshots_total", "Snapshots asked for", () => tally.snapshots);
  gauge(
    "mapae_revocation_confirming_seconds_total",
    "Time that was waited for confirmations",
    () => tally.waitedMs / 1000,
  );
  const byLabel = (name: string, help: string, label: string, table: Readonly<Record<string, number>>): void => {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        for (const [value, count] of Object.entries(table)) this.set({ [label]: value }, count);
      },
    });
  };
  byLabel("mapae_feed_closed_total", "Connections that this server ended", "reason", tally.closed);
  byLabel("mapae_revocation_confirmations_total", "Confirmations, by what they rest on", "by", tally.confirmations);
}

function observeWebhooks(webhooks: MetricSources["webhooks"], gauge: MakeGauge, registers: Registry[]): void {
  if (webhooks === null) return;
  gauge("mapae_webhooks_active", "Webhooks that are delivered to", () => webhooks.tally().active);
  gauge("mapae_webhooks_paused", "Webhooks that gave up until an operator resumes them", () => webhooks.tally().paused);
  gauge("mapae_webhook_events_total", "Revocations delivered to webhooks", () => webhooks.tally().delivered);
  gauge(
    "mapae_webhook_lag_seconds",
    "Age of the oldest revocation that is being delivered or waits for another attempt",
    () => webhooks.tally().lagMs / 1000,
  );
  new Gauge({
    name: "mapae_webhook_attempts_total",
    help: "Attempts to deliver, by how they ended",
    labelNames: ["outcome"],
    registers,
    collect() {
      for (const [outcome, count] of Object.entries(webhooks.tally().attempts)) this.set({ outcome }, count);
    },
  });
}

function observeSsf({ polls, pushes }: MetricSources["ssf"], gauge: MakeGauge, registers: Registry[]): void {
  gauge("mapae_ssf_polls_total", "Polls of event streams answered", () => polls.tally().polls);
  gauge("mapae_ssf_polls_waiting", "Polls that wait for an event", () => polls.tally().waiting);
  gauge("mapae_ssf_polled_events_total", "Events given to polls, repeats included", () => polls.tally().events);
  if (pushes === null) return;
  gauge("mapae_ssf_pushes_failing", "Event streams whose last push failed", () => pushes.tally().failing);
  new Gauge({
    name: "mapae_ssf_pushes_total",
    help: "Attempts to push an event, by how they ended",
    labelNames: ["outcome"],
    registers,
    collect() {
      for (const [outcome, count] of Object.entries(pushes.tally().attempts)) this.set({ outcome }, count);
    },
  });
}

function observeReceivers({ intake, listening }: MetricSources["ssf"], gauge: MakeGauge, registers: Registry[]): void {
  new Gauge({
    name: "mapae_ssf_received_events_total",
    help: "Events of other providers that were taken, by what became of them",
    labelNames: ["result"],
    registers,
    collect() {
      for (const [result, count] of Object.entries(intake.tally().taken)) this.set({ result }, count);
    },
  });
  new Gauge({
    name: "mapae_ssf_rejected_events_total",
    help: "Events of other providers that were no good, by the error that they were answered with",
    labelNames: ["error"],
    registers,
    collect() {
      for (const [error, count] of Object.entries(intake.tally().rejected)) this.set({ error }, count);
    },
  });
  gauge(
    "mapae_ssf_delayed_events_total",
    "Events of other providers that were put off: no keys, or too many at once",
    () => intake.tally().delayed,
  );
  if (listening === null) return;
  gauge("mapae_ssf_receivers", "Other providers that are listened to", () => listening.tally().active);
  gauge(
    "mapae_ssf_receivers_failing",
    "Those of them whose last call failed, or of whom no sign of life came",
    () => listening.tally().failing,
  );
}

export function openPrometheus(sources: MetricSources): Prometheus {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "mapae_http_requests_total",
    help: "Requests answered",
    labelNames: ["route", "method", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "mapae_http_request_seconds",
    help: "Time to answer",
    labelNames: ["route"],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge("mapae_hashing_in_flight", "Passwords being hashed", () => sources.hashing().inFlight);
  gauge("mapae_hashing_waiting", "Passwords waiting to be hashed", () => sources.hashing().waiting);
  gauge("mapae_hashing_refused_total", "Log-ins refused because too many waited", () => sources.hashing().refused);
  gauge("mapae_revocation_entries", "Revocations in force", sources.revocations);

  observeFeed(sources.feed, gauge, registers);
  observeWebhooks(sources.webhooks, gauge, registers);
  observeSsf(sources.ssf, gauge, registers);
  observeReceivers(sources.ssf, gauge, registers);

  let collecting = false;
  return {
    observe: ({ route, method, status, seconds: took }) => {
      requests.inc({ route, method: METHODS.has(method) ? method : "other", status });
      seconds.observe({ route }, took);
    },
    text: async () => {
      // The process metrics sample the event loop from their first day on: not before anyone asks for them.
      if (!collecting) collectDefaultMetrics({ register: registry });
      collecting = true;
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}
