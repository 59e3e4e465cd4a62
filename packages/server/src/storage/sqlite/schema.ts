/**
 * The database's shape, as numbered steps that only go forward. A step that was released is never edited: the next one
 * changes what it made.
 *
 * Why it is cut like this:
 *   - A refresh is one `UPDATE` of one `grants` row. Grants are stored in the order of the secret id (`WITHOUT ROWID`),
 *     so finding and changing it is one descent of one tree, and no index has a column that a refresh changes. That is
 *     why a session's last use is not stored but computed from its grants, and why the sweep goes by `due_at`: a time
 *     before which nothing can have run out, moved on when the sweep finds that the session was used since.
 *   - Ids are random text, as the outside knows them; their trees are WITHOUT ROWID for the same reason.
 *   - The log is stored in its own order, epoch and sequence. Its head stands in `state`, since the last entries may
 *     have been compacted away.
 *   - Instants are milliseconds since 1970, `…_exp` and `expires` in the log are seconds, as in the tokens.
 *   - Lists (`roles`, `scope`, `amr`) and open details are JSON: nothing looks inside them.
 */

/** "MAPA": tells our files from other SQLite databases. */
export const APPLICATION_ID = 0x4d415041;

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    key_set INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE log (
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    value   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (epoch, seq)
  ) STRICT, WITHOUT ROWID;
  -- compaction
  CREATE INDEX log_by_expiry ON log (expires);

  CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    name    TEXT NOT NULL,
    cause   TEXT NOT NULL,
    user    TEXT,
    session TEXT,
    client  TEXT,
    detail  TEXT NOT NULL
  ) STRICT;
  -- retention, and the two filters of the list
  CREATE INDEX audit_by_time ON audit (at);
  CREATE INDEX audit_by_user ON audit (user, id) WHERE user IS NOT NULL;
  CREATE INDEX audit_by_name ON audit (name, id);

  CREATE TABLE data_keys (
    id         INTEGER PRIMARY KEY,
    purpose    TEXT NOT NULL,
    wrapped    BLOB NOT NULL,
    wrapped_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE signing_keys (
    kid            TEXT PRIMARY KEY,
    alg            TEXT NOT NULL,
    state          TEXT NOT NULL,
    public_jwk     TEXT,
    sealed_private BLOB,
    data_key       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    activated_at   INTEGER,
    retired_at     INTEGER,
    highest_exp    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE users (
    id                 TEXT PRIMARY KEY,
    identifier         TEXT,
    identifier_key     TEXT UNIQUE,
    name               TEXT,
    state              TEXT NOT NULL,
    roles              TEXT NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    password           BLOB,
    credential_version INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX users_by_creation ON users (created_at, id);

  CREATE TABLE clients (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    secret_hash BLOB,
    scope       TEXT NOT NULL,
    audience    TEXT,
    created_at  INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX clients_by_creation ON clients (created_at, id);

  -- A client may be deleted while its sessions are kept, so \`client\` refers to nothing.
  CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    user         TEXT NOT NULL REFERENCES users (id),
    client       TEXT NOT NULL,
    device_id    TEXT NOT NULL,
    device_name  TEXT NOT NULL,
    device_class TEXT NOT NULL,
    address      TEXT,
    amr          TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    end_reason   TEXT,
    -- not before this can its time have run out; its last use may have moved that on
    due_at       INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_by_user ON sessions (user, created_at, id);
  CREATE INDEX sessions_by_creation ON sessions (created_at, id);
  -- the sweep: what to mark, and what to forget
  CREATE INDEX sessions_by_due ON sessions (due_at) WHERE ended_at IS NULL;
  CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

  CREATE TABLE grants (
    secret_id       BLOB PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    session         TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    client          TEXT NOT NULL,
    scope           TEXT NOT NULL,
    rotates         INTEGER NOT NULL,
    replay_ends     TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    mac_key         INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    proof           BLOB,
    used_at         INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    end_reason      TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX grants_by_session ON grants (session);
  -- the end of a client
  CREATE INDEX grants_by_client ON grants (client) WHERE ended_at IS NULL;
  `,
  `
  -- Of a token that was shown: who has to hear of it, and what it hangs under.
  ALTER TABLE log ADD COLUMN audience TEXT;
  ALTER TABLE log ADD COLUMN "grant" TEXT;
  -- revoking twice; many tokens of one grant; what the last entry for everyone covers
  CREATE INDEX log_of_tokens ON log (value) WHERE kind = 'token';
  CREATE INDEX log_by_grant ON log ("grant") WHERE "grant" IS NOT NULL;
  CREATE INDEX log_of_everyone ON log (epoch, seq) WHERE kind = 'all';

  -- The N of leases that may be running, and the verifiers that may accept without one.
  ALTER TABLE state ADD COLUMN lease_ms INTEGER;
  CREATE TABLE unbound (
    id        TEXT PRIMARY KEY,
    client    TEXT NOT NULL,
    accept_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The secrets are encrypted, each under the data key beside it.
  CREATE TABLE webhooks (
    id              TEXT PRIMARY KEY,
    url             TEXT NOT NULL,
    kinds           TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    data_key        INTEGER NOT NULL,
    secret          BLOB NOT NULL,
    previous_key    INTEGER,
    previous_secret BLOB,
    previous_until  INTEGER,
    epoch           INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    state           TEXT NOT NULL,
    failures        INTEGER NOT NULL,
    failing_since   INTEGER,
    next_attempt_at INTEGER NOT NULL,
    missed          INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE webhook_queue (
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    value  TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (epoch, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE webhook_attempts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    events  INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status  INTEGER,
    took_ms INTEGER NOT NULL,
    at      INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX webhook_attempts_of ON webhook_attempts (webhook, id);
  `,
  `
  -- Sessions that another store holds: whose they are, how long they may live, and how long their ends are known.
  ALTER TABLE state ADD COLUMN installation TEXT;
  ALTER TABLE state ADD COLUMN sessions_until INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE log ADD COLUMN kept_until INTEGER NOT NULL DEFAULT 0;
  UPDATE log SET kept_until = expires;
  DROP INDEX log_by_expiry;
  CREATE INDEX log_by_keeping ON log (kept_until);
  `,
  `
  -- Which bits of which status lists stand for a grant's tokens, and the entry of the log that made each invalid.
  CREATE TABLE status_lists (
    id        INTEGER PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    seed      BLOB NOT NULL,
    used      INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    void      INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE status_slots (
    list    INTEGER NOT NULL REFERENCES status_lists (id),
    idx     INTEGER NOT NULL,
    "grant" TEXT NOT NULL,
    epoch   INTEGER,
    seq     INTEGER,
    PRIMARY KEY (list, idx)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX status_slots_of_grant ON status_slots ("grant");
  CREATE INDEX status_slots_invalid ON status_slots (epoch, seq, list, idx) WHERE epoch IS NOT NULL;
  -- A client's ended grants are looked for as well, since their slots become invalid with the client.
  DROP INDEX grants_by_client;
  CREATE INDEX grants_by_client ON grants (client);
  `,
  `
  -- Whom a slot stands for, said by the slot itself: the grant may be in another store.
  ALTER TABLE status_slots ADD COLUMN session TEXT NOT NULL DEFAULT '';
  ALTER TABLE status_slots ADD COLUMN "user" TEXT NOT NULL DEFAULT '';
  ALTER TABLE status_slots ADD COLUMN client TEXT NOT NULL DEFAULT '';
  UPDATE status_slots SET (session, "user", client) =
      (SELECT g.session, s.user, g.client FROM grants g JOIN sessions s ON s.id = g.session
       WHERE g.id = status_slots."grant")
    WHERE EXISTS (SELECT 1 FROM grants WHERE id = status_slots."grant");
  CREATE INDEX status_slots_of_session ON status_slots (session) WHERE epoch IS NULL;
  CREATE INDEX status_slots_of_user ON status_slots ("user") WHERE epoch IS NULL;
  CREATE INDEX status_slots_of_client ON status_slots (client) WHERE epoch IS NULL;
  `,
  `
  -- Event streams: what each is told of, in which way, and how far it has come.
  CREATE TABLE streams (
    id               TEXT PRIMARY KEY,
    client           TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    method           TEXT NOT NULL,
    url              TEXT,
    data_key         INTEGER,
    credential       BLOB,
    requested        TEXT,
    description      TEXT,
    naming           TEXT NOT NULL,
    default_subjects TEXT NOT NULL,
    exceptions       INTEGER NOT NULL,
    status           TEXT NOT NULL,
    status_reason    TEXT,
    cursor           INTEGER NOT NULL,
    acked            TEXT NOT NULL,
    controls         TEXT NOT NULL,
    control_count    INTEGER NOT NULL,
    active_at        INTEGER NOT NULL,
    verified_at      INTEGER,
    failures         INTEGER NOT NULL,
    failing_since    INTEGER,
    next_attempt_at  INTEGER NOT NULL,
    missed           INTEGER NOT NULL,
    refused          INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE stream_exceptions (
    stream TEXT NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    user   TEXT NOT NULL,
    PRIMARY KEY (stream, user)
  ) STRICT, WITHOUT ROWID;
  -- What streams are told, numbered in the order of commits.
  CREATE TABLE signal_head (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
  ) STRICT;
  INSERT INTO signal_head (id, seq) VALUES (1, 0);
  CREATE TABLE signals (
    seq        INTEGER PRIMARY KEY,
    epoch      INTEGER NOT NULL,
    cause      INTEGER NOT NULL,
    user       TEXT,
    session    TEXT,
    identifier TEXT,
    initiator  TEXT NOT NULL,
    facts      TEXT NOT NULL,
    at         INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE streams ADD COLUMN last_failure TEXT;
  `,
  `
  -- What a resource server has published of its keys: tokens for it are encrypted for the first.
  ALTER TABLE clients ADD COLUMN jwks TEXT;
  CREATE INDEX clients_by_audience ON clients (audience) WHERE audience IS NOT NULL;
  `,
  `
  -- What is heard from other providers, and the names of what was taken, so that nothing is taken twice.
  CREATE TABLE receivers (
    id              TEXT PRIMARY KEY,
    issuer          TEXT NOT NULL,
    facts           TEXT NOT NULL,
    stream          TEXT NOT NULL,
    data_key        INTEGER,
    credential      BLOB,
    push_hash       BLOB,
    domains         TEXT NOT NULL,
    disables        INTEGER NOT NULL,
    state           TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    heard_at        INTEGER,
    event_at        INTEGER,
    events          INTEGER NOT NULL,
    asked_at        INTEGER,
    asked_hash      BLOB,
    verified_at     INTEGER,
    stream_status   TEXT,
    failures        INTEGER NOT NULL,
    failing_since   INTEGER,
    next_attempt_at INTEGER NOT NULL,
    last_failure    TEXT,
    rejected        INTEGER NOT NULL,
    unmatched       INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE received_events (
    receiver TEXT NOT NULL REFERENCES receivers (id) ON DELETE CASCADE,
    jti      TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (receiver, jti)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX received_events_by_time ON received_events (at);
  `,
  `
  -- Where this installation is moving to, or has gone (moved.ts).
  CREATE TABLE moved (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    move   TEXT NOT NULL,
    target TEXT NOT NULL,
    at     INTEGER NOT NULL,
    gone   INTEGER NOT NULL
  ) STRICT;
  `,
];
