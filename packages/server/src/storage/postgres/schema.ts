/**
 * The database's shape on PostgreSQL, as numbered steps that only go forward. The tables are those of the embedded database
 * (sqlite/schema.ts says why they are cut like this), with what several nodes need besides.
 *
 *   - Old and new programs run side by side while a cluster is upgraded, so a step only *adds* (expand): what the version
 *     before reads and writes stays as it was, and what is new has a default. What nobody needs any more goes with a step
 *     of a later version (contract), which raises `oldest`: a program that knows fewer steps than that refuses to start,
 *     and such a step is not taken while a node of that kind is registered.
 *   - A step that was released is never edited: the next one changes what it made.
 *   - Ids are compared octet by octet (COLLATE "C"), as everywhere else, and faster.
 *   - A refresh changes no column that an index has, and pages are not filled up, so that the new version of a row stays on
 *     its page and no index is written (HOT).
 */

export interface Migration {
  /** A program must know at least so many steps to work on a database that has this one. */
  readonly oldest: number;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    oldest: 1,
    sql: `
  -- The one row that revocations queue at: it is locked last, and so the numbers of the log are in the order of commits.
  CREATE TABLE state (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    epoch    BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    key_set  BIGINT NOT NULL,
    lease_ms BIGINT,
    -- which installation this is, and how long sessions may live that another store holds for it
    installation   TEXT NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    sessions_until BIGINT NOT NULL DEFAULT 0
  ) WITH (fillfactor = 10);

  CREATE TABLE log (
    epoch    BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    kind     TEXT NOT NULL,
    value    TEXT COLLATE "C" NOT NULL,
    reason   TEXT NOT NULL,
    at       BIGINT NOT NULL,
    expires  BIGINT NOT NULL,
    audience TEXT,
    "grant"  TEXT COLLATE "C",
    kept_until BIGINT NOT NULL,
    PRIMARY KEY (epoch, seq)
  );
  -- compaction; revoking twice; many tokens of one grant; what the last entry for everyone covers
  CREATE INDEX log_by_keeping ON log (kept_until);
  CREATE INDEX log_of_tokens ON log (value) WHERE kind = 'token';
  CREATE INDEX log_by_grant ON log ("grant") WHERE "grant" IS NOT NULL;
  CREATE INDEX log_of_everyone ON log (epoch, seq) WHERE kind = 'all';

  CREATE TABLE audit (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    cause   TEXT NOT NULL,
    "user"  TEXT COLLATE "C",
    session TEXT COLLATE "C",
    client  TEXT COLLATE "C",
    detail  TEXT NOT NULL
  );
  -- retention, and the two filters of the list
  CREATE INDEX audit_by_time ON audit (at);
  CREATE INDEX audit_by_user ON audit ("user", id) WHERE "user" IS NOT NULL;
  CREATE INDEX audit_by_name ON audit (name, id);

  CREATE TABLE data_keys (
    id         BIGINT PRIMARY KEY,
    purpose    TEXT NOT NULL,
    wrapped    BYTEA NOT NULL,
    wrapped_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
  );

  CREATE TABLE signing_keys (
    kid            TEXT COLLATE "C" PRIMARY KEY,
    alg            TEXT NOT NULL,
    state          TEXT NOT NULL,
    public_jwk     TEXT,
    sealed_private BYTEA,
    data_key       BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    activated_at   BIGINT,
    retired_at     BIGINT,
    highest_exp    BIGINT NOT NULL
  );

  CREATE TABLE users (
    id                 TEXT COLLATE "C" PRIMARY KEY,
    identifier         TEXT,
    identifier_key     TEXT COLLATE "C" UNIQUE,
    name               TEXT,
    state              TEXT NOT NULL,
    roles              TEXT NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    password           BYTEA,
    credential_version BIGINT NOT NULL
  );
  CREATE INDEX users_by_creation ON users (created_at, id);

  CREATE TABLE clients (
    id          TEXT COLLATE "C" PRIMARY KEY,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    secret_hash BYTEA,
    scope       TEXT NOT NULL,
    audience    TEXT COLLATE "C",
    created_at  BIGINT NOT NULL
  );
  CREATE INDEX clients_by_creation ON clients (created_at, id);

  -- A client may be deleted while its sessions are kept, so client refers to nothing.
  CREATE TABLE sessions (
    id           TEXT COLLATE "C" PRIMARY KEY,
    "user"       TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    client       TEXT COLLATE "C" NOT NULL,
    device_id    TEXT NOT NULL,
    device_name  TEXT NOT NULL,
    device_class TEXT NOT NULL,
    address      TEXT,
    amr          TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT,
    end_reason   TEXT,
    -- not before this can its time have run out; its last use may have moved that on
    due_at       BIGINT NOT NULL
  );
  CREATE INDEX sessions_by_user ON sessions ("user", created_at, id);
  CREATE INDEX sessions_by_creation ON sessions (created_at, id);
  -- the sweep: what to mark, and what to forget
  CREATE INDEX sessions_by_due ON sessions (due_at) WHERE ended_at IS NULL;
  CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

  CREATE TABLE grants (
    secret_id       BYTEA PRIMARY KEY,
    id              TEXT COLLATE "C" NOT NULL UNIQUE,
    session         TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client          TEXT COLLATE "C" NOT NULL,
    scope           TEXT NOT NULL,
    rotates         BIGINT NOT NULL,
    replay_ends     TEXT NOT NULL,
    generation      BIGINT NOT NULL,
    mac_key         BIGINT NOT NULL,
    rotated_at      BIGINT NOT NULL,
    proof           BYTEA,
    used_at         BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    ended_at        BIGINT,
    end_reason      TEXT
  ) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02);
  CREATE INDEX grants_by_session ON grants (session);
  -- the end of a client; of ended grants too, since what tells of them ends with it
  CREATE INDEX grants_by_client ON grants (client);

  -- Which bits of which status lists stand for a grant's tokens, and the entry of the log that made each invalid.
  CREATE TABLE status_lists (
    id        BIGINT PRIMARY KEY,
    epoch     BIGINT NOT NULL,
    seed      BYTEA NOT NULL,
    used      BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    void      BIGINT NOT NULL
  ) WITH (fillfactor = 50);
  CREATE TABLE status_slots (
    list    BIGINT NOT NULL REFERENCES status_lists (id),
    idx     BIGINT NOT NULL,
    "grant" TEXT COLLATE "C" NOT NULL,
    session TEXT COLLATE "C" NOT NULL,
    "user"  TEXT COLLATE "C" NOT NULL,
    client  TEXT COLLATE "C" NOT NULL,
    epoch   BIGINT,
    seq     BIGINT,
    PRIMARY KEY (list, idx)
  );
  CREATE INDEX status_slots_of_grant ON status_slots ("grant");
  CREATE INDEX status_slots_of_session ON status_slots (session) WHERE epoch IS NULL;
  CREATE INDEX status_slots_of_user ON status_slots ("user") WHERE epoch IS NULL;
  CREATE INDEX status_slots_of_client ON status_slots (client) WHERE epoch IS NULL;
  CREATE INDEX status_slots_invalid ON status_slots (epoch, seq, list, idx) WHERE epoch IS NOT NULL;

  CREATE TABLE unbound (
    id        TEXT COLLATE "C" PRIMARY KEY,
    client    TEXT COLLATE "C" NOT NULL,
    accept_ms BIGINT NOT NULL
  );

  -- The secrets are encrypted, each under the data key beside it.
  CREATE TABLE webhooks (
    id              TEXT COLLATE "C" PRIMARY KEY,
    url             TEXT NOT NULL,
    kinds           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    data_key        BIGINT NOT NULL,
    secret          BYTEA NOT NULL,
    previous_key    BIGINT,
    previous_secret BYTEA,
    previous_until  BIGINT,
    epoch           BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    state           TEXT NOT NULL,
    failures        BIGINT NOT NULL,
    failing_since   BIGINT,
    next_attempt_at BIGINT NOT NULL,
    missed          BIGINT NOT NULL
  );
  CREATE TABLE webhook_queue (
    epoch  BIGINT NOT NULL,
    seq    BIGINT NOT NULL,
    kind   TEXT NOT NULL,
    value  TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (epoch, seq)
  );
  CREATE TABLE webhook_attempts (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    epoch   BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    events  BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    status  BIGINT,
    took_ms BIGINT NOT NULL,
    at      BIGINT NOT NULL
  );
  CREATE INDEX webhook_attempts_of ON webhook_attempts (webhook, id);

  -- Event streams: what each is told of, in which way, and how far it has come.
  CREATE TABLE streams (
    id               TEXT COLLATE "C" PRIMARY KEY,
    client           TEXT COLLATE "C" NOT NULL,
    created_at       BIGINT NOT NULL,
    method           TEXT NOT NULL,
    url              TEXT,
    data_key         BIGINT,
    credential       BYTEA,
    requested        TEXT,
    description      TEXT,
    naming           TEXT NOT NULL,
    default_subjects TEXT NOT NULL,
    exceptions       BIGINT NOT NULL,
    status           TEXT NOT NULL,
    status_reason    TEXT,
    cursor           BIGINT NOT NULL,
    acked            TEXT NOT NULL,
    controls         TEXT NOT NULL,
    control_count    BIGINT NOT NULL,
    active_at        BIGINT NOT NULL,
    verified_at      BIGINT,
    failures         BIGINT NOT NULL,
    failing_since    BIGINT,
    next_attempt_at  BIGINT NOT NULL,
    missed           BIGINT NOT NULL,
    refused          BIGINT NOT NULL
  );
  CREATE TABLE stream_exceptions (
    stream TEXT COLLATE "C" NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    "user" TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (stream, "user")
  );
  -- What streams are told, numbered in the order of commits: the number is taken by the holder of the counter.
  CREATE TABLE signal_head (
    id  BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL
  ) WITH (fillfactor = 10);
  INSERT INTO signal_head (id, seq) VALUES (1, 0);
  CREATE TABLE signals (
    seq        BIGINT PRIMARY KEY,
    epoch      BIGINT NOT NULL,
    cause      BIGINT NOT NULL,
    "user"     TEXT COLLATE "C",
    session    TEXT COLLATE "C",
    identifier TEXT,
    initiator  TEXT NOT NULL,
    facts      TEXT NOT NULL,
    at         BIGINT NOT NULL
  );

  -- The processes that serve this database.
  CREATE TABLE nodes (
    id     TEXT COLLATE "C" PRIMARY KEY,
    -- how many steps of this schema its program knows
    schema BIGINT NOT NULL,
    -- counts its reads of the head
    beat   BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
  ) WITH (fillfactor = 10);

  -- What this schema is, for the programs that open it.
  CREATE TABLE mapae (
    schema BIGINT NOT NULL,
    oldest BIGINT NOT NULL
  );
  INSERT INTO mapae VALUES (0, 0);
  `,
  },
  {
    oldest: 1,
    sql: "ALTER TABLE streams ADD COLUMN last_failure TEXT",
  },
  {
    oldest: 1,
    sql: `
  ALTER TABLE clients ADD COLUMN jwks TEXT;
  CREATE INDEX clients_by_audience ON clients (audience) WHERE audience IS NOT NULL;
  `,
  },
  {
    oldest: 1,
    sql: `
  CREATE TABLE receivers (
    id              TEXT COLLATE "C" PRIMARY KEY,
    issuer          TEXT NOT NULL,
    facts           TEXT NOT NULL,
    stream          TEXT NOT NULL,
    data_key        BIGINT,
    credential      BYTEA,
    push_hash       BYTEA,
    domains         TEXT NOT NULL,
    disables        BIGINT NOT NULL,
    state           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    heard_at        BIGINT,
    event_at        BIGINT,
    events          BIGINT NOT NULL,
    asked_at        BIGINT,
    asked_hash      BYTEA,
    verified_at     BIGINT,
    stream_status   TEXT,
    failures        BIGINT NOT NULL,
    failing_since   BIGINT,
    next_attempt_at BIGINT NOT NULL,
    last_failure    TEXT,
    rejected        BIGINT NOT NULL,
    unmatched       BIGINT NOT NULL
  );
  CREATE TABLE received_events (
    receiver TEXT COLLATE "C" NOT NULL REFERENCES receivers (id) ON DELETE CASCADE,
    jti      TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (receiver, jti)
  );
  CREATE INDEX received_events_by_time ON received_events (at);
  `,
  },
  {
    oldest: 1,
    sql: `
  -- The move that filled this database, or is filling it (storage/move/): whose, and how far it has come with each table.
  CREATE TABLE move (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    move         TEXT NOT NULL,
    installation TEXT NOT NULL,
    source       TEXT NOT NULL,
    state        TEXT NOT NULL,
    begun_at     BIGINT NOT NULL,
    done_at      BIGINT,
    -- when a program opened it last, after the move
    used_at      BIGINT
  );
  CREATE TABLE move_tables (
    name  TEXT COLLATE "C" PRIMARY KEY,
    rows  BIGINT NOT NULL,
    -- the key of the last row that was carried over, as JSON
    after TEXT
  );
  `,
  },
  {
    oldest: 1,
    sql: `
  -- The longest lease that a node gives, and what it says of its verifiers; without the first, the longest there is.
  ALTER TABLE nodes ADD COLUMN lease_ms BIGINT NOT NULL DEFAULT 60000, ADD COLUMN word TEXT;
  `,
  },
];
