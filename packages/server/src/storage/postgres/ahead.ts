/**
 * What each step is going to ask, sent along with its locks so that it costs no round trip of its own. Only a saving: what
 * is missing here is asked when the step needs it, and what is too much is not looked at.
 */
import type { GrantTarget } from "../../grants/store.ts";
import type { GrantId } from "../../prelude/ids.ts";
import type { Effect } from "../../revocation/effects.ts";
import type { Position } from "../../revocation/entry.ts";
import type { Rows } from "../rows.ts";
import type { Row, Value } from "../sql/columns.ts";
import type { Statements } from "../sql/statements.ts";
import type { StepArguments, StepName } from "../steps.ts";
import type { Bound } from "./replay.ts";
import { PostgresRows } from "./rows.ts";
import { prepared } from "./sql.ts";

/** Answers nothing and notes what was asked. */
class Recorder implements Statements {
  readonly asked: Bound[] = [];

  one<T>(sql: string, _of: (row: Row) => T, ...values: readonly Value[]): T | undefined {
    this.asked.push({ statement: prepared(sql), values });
    return undefined;
  }

  all<T>(sql: string, _of: (row: Row) => T, ...values: readonly Value[]): T[] {
    this.asked.push({ statement: prepared(sql), values });
    return [];
  }

  run(): never {
    throw new Error("what is sent ahead changes nothing");
  }

  changes(): never {
    return this.run();
  }

  position(): Position {
    return this.run();
  }

  place(): never {
    return this.run();
  }

  beginEpoch(): never {
    return this.run();
  }
}

/** What every entry asks for. */
function entry(rows: Rows): void {
  rows.highestExp();
  rows.sessionsUntil();
  rows.status.any();
  rows.webhooks.any();
  rows.ssf.anyStream();
}

/** What a token names of a status list. */
function slot(rows: Rows, grant: GrantId, seed: Buffer | null): void {
  if (seed === null) return;
  rows.status.slotOf(grant);
  rows.status.newest();
}

function effect(rows: Rows, one: Effect): void {
  if (one.effect === "end_session") rows.session(one.session);
  if (one.effect === "end_sessions_of_user") rows.unended(one.user);
  if (one.effect === "revoke_token") {
    rows.isTokenRevoked(one.jti);
    if (one.grant !== null) {
      rows.isGrantEnded(one.grant);
      rows.tokenEntriesOf(one.grant);
    }
  }
  if (one.effect !== "audit") entry(rows);
}

function heldBy(rows: Rows, target: GrantTarget): void {
  if ("id" in target) rows.heldById(target.id);
  else rows.held(target.secretId);
}

const AHEAD: { readonly [Name in StepName]?: (rows: Rows, ...args: StepArguments<Name>) => void } = {
  open(rows, { session, grant, limit, listSeed }) {
    rows.user(session.user);
    rows.client(session.client);
    slot(rows, grant.id, listSeed);
    if (limit.max === 0) return;
    rows.unended(session.user);
    entry(rows);
  },
  use: (rows, { secretId }) => void rows.held(secretId),
  changeUser(rows, id) {
    rows.user(id);
    rows.unended(id);
    entry(rows);
  },
  endSessions(rows, target) {
    if ("session" in target) rows.session(target.session);
    else if ("user" in target) rows.unended(target.user);
    entry(rows);
  },
  endGrant(rows, target) {
    heldBy(rows, target);
    entry(rows);
  },
  applyEffects(rows, effects) {
    for (const each of effects) effect(rows, each);
  },
  createUser: (rows, { identifierKey }) => void (identifierKey === null || rows.userByKey(identifierKey)),
};

export function aheadOf<Name extends StepName>(name: Name, args: StepArguments<Name>): readonly Bound[] {
  const ahead = AHEAD[name] as ((rows: Rows, ...args: StepArguments<Name>) => void) | undefined;
  if (ahead === undefined) return [];
  const recorder = new Recorder();
  ahead(new PostgresRows(recorder), ...args);
  return recorder.asked;
}
