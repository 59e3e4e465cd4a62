/**
 * The table of commands: name, what it takes, one sentence, and where its code is. It parses, prints the help, and is
 * what docs/cli.md lists; a command's code is loaded when it is called.
 */

import { GATE_OPTIONS } from "../gate/settings.ts";
import { RELAY_OPTIONS } from "../relay/settings.ts";
import { END_REASONS } from "../revocation/entry.ts";
import { STRATEGY_NAMES } from "../sessions/strategy.ts";
import { EVENT_TYPES } from "../ssf/event.ts";
import { NAMINGS, STATUSES } from "../ssf/stream.ts";
import type { Command } from "./context.ts";

/** Flags as they are typed, and a sentence. `many`: may stand several times. */
export interface OptionRow {
  readonly flags: string;
  readonly says: string;
  readonly many?: boolean;
  readonly choices?: readonly string[];
}

export interface CommandRow {
  /** The words that are typed: groups, and the command. */
  readonly name: string;
  /** `<required>`, `[optional]`, `[several...]`. */
  readonly args?: readonly string[];
  readonly says: string;
  readonly options?: readonly OptionRow[];
  /** Printed below the options in the help. */
  readonly notes?: string;
  /** May begin an empty database. */
  readonly makes?: boolean;
  /** Works without settings and data folder. */
  readonly apart?: boolean;
  readonly load: () => Promise<Command>;
}

/** What each group of commands is about. */
export const GROUPS: Readonly<Record<string, string>> = {
  users: "accounts",
  sessions: "log-ins, each on one device",
  keys: "signing keys",
  clients: "apps that sign users in, and resource servers",
  webhooks: "addresses of your own that are told of every revocation",
  ssf: "Shared Signals: what other systems are told of, as signed events",
  "ssf streams": "event streams that resource servers have",
  "ssf receivers": "other providers whose events become revocations here",
  token: "access tokens: look into one, verify one, sign one",
  seal: "seal a document for one recipient",
  receipt: "acknowledge a sealed document",
};

/** Options that every command takes. */
export const EVERYWHERE: readonly OptionRow[] = [
  { flags: "--json", says: "print JSON on stdout and nothing else: one document, or one a line for lists" },
];
export const DATA_OPTION: OptionRow = { flags: "--data <folder>", says: "the data folder, in place of MAPAE_DATA" };

const YES: OptionRow = { flags: "--yes", says: "do not ask for confirmation" };
const NAMING: OptionRow = {
  flags: "--naming <naming>",
  says: "how users are called: by their id here (default), or by their email address, which is personal data",
  choices: NAMINGS,
};
const AUTHORIZATION_STDIN: OptionRow = {
  flags: "--authorization-stdin",
  says: "read what is to be sent as Authorization from stdin (Bearer …)",
};
const EVENT_NAMES = Object.keys(EVENT_TYPES);
const NOW: OptionRow = { flags: "--now", says: "also where verifiers may not know the key yet that signs then" };
const PASSWORD_STDIN: OptionRow = { flags: "--password-stdin", says: "read the password from stdin" };
const ASKS =
  "The password is asked for at the terminal, or read with --password-stdin: an argument could be read by\nevery user of the machine (ps), and stays in the shell's history.";
const USER = "<user> is an id (usr_…) or an identifier.";

const PASSPHRASE_OPTIONS: readonly OptionRow[] = [
  { flags: "--passphrase-file <file>", says: "read the passphrase of the private keys from a file" },
  { flags: "--passphrase-env <name>", says: "read it from a variable of the environment" },
];
const HTTP_OPTION: OptionRow = {
  flags: "--dangerously-allow-http",
  says: "fetch keys over http: from other machines: whoever is in between can put in their own",
};
const FORCE: OptionRow = { flags: "--force", says: "replace files that exist" };
const SEALING: readonly OptionRow[] = [...PASSPHRASE_OPTIONS, HTTP_OPTION, FORCE];
const KEYS =
  "Keys are PEM, a JWK or a JWK set; mapae seal keygen makes some. A passphrase is asked for where one is needed.";

export const COMMANDS: readonly CommandRow[] = [
  {
    name: "serve",
    says: "run the server until it is told to stop",
    apart: false,
    load: async () => (await import("./commands/serve.ts")).serveCommand,
  },
  {
    name: "users create",
    args: ["<identifier>"],
    says: "make an account",
    options: [
      { flags: "--name <name>", says: "the display name" },
      { flags: "--role <role>", says: "a role; may stand several times (admin: may use the admin API)", many: true },
      PASSWORD_STDIN,
    ],
    notes: ASKS,
    makes: true,
    load: async () => (await import("./commands/users.ts")).createUser,
  },
  {
    name: "users list",
    says: "list accounts, oldest first",
    options: [
      { flags: "--state <state>", says: "only these", choices: ["active", "disabled", "deleted"] },
      { flags: "--starts-with <text>", says: "only identifiers that begin so" },
    ],
    load: async () => (await import("./commands/users.ts")).listUsers,
  },
  {
    name: "users show",
    args: ["<user>"],
    says: "show an account",
    notes: USER,
    load: async () => (await import("./commands/users.ts")).showUser,
  },
  {
    name: "users disable",
    args: ["<user>"],
    says: "disable an account: every session ends at once",
    notes: USER,
    load: async () => (await import("./commands/users.ts")).disableUser,
  },
  {
    name: "users enable",
    args: ["<user>"],
    says: "make a disabled account active again",
    notes: USER,
    load: async () => (await import("./commands/users.ts")).enableUser,
  },
  {
    name: "users delete",
    args: ["<user>"],
    says: "delete an account for good: every session ends, the identifier is free again",
    options: [YES],
    notes: USER,
    load: async () => (await import("./commands/users.ts")).deleteUser,
  },
  {
    name: "users password",
    args: ["<user>"],
    says: "set a password: every session of the user ends",
    options: [PASSWORD_STDIN],
    notes: `${USER}\n${ASKS}`,
    load: async () => (await import("./commands/users.ts")).setPassword,
  },
  {
    name: "users roles",
    args: ["<user>", "[roles...]"],
    says: "set a user's roles, or show them where none is given",
    options: [{ flags: "--none", says: "take all roles away" }],
    notes: USER,
    load: async () => (await import("./commands/users.ts")).setRoles,
  },
  {
    name: "users import",
    args: ["<file>"],
    says: "take over accounts with their password hashes (JSON lines; - for stdin)",
    options: [{ flags: "--dry-run", says: "check every line and change nothing" }],
    notes:
      'A line: {"identifier": "kim@example.com", "password_hash": "$2b$12$…", "name": "Kim", "roles": ["editor"],\n"created_at": "2024-05-01T09:00:00Z"}. All but identifier may be left out. Each line stands alone: what is refused is\nreported with its number, and the rest is taken over. Running it again is harmless.',
    makes: true,
    load: async () => (await import("./commands/import.ts")).importUsers,
  },
  {
    name: "sessions list",
    says: "list sessions, newest first",
    options: [
      { flags: "--user <user>", says: "only those of this user (id or identifier)" },
      { flags: "--live", says: "only those that have not ended" },
    ],
    load: async () => (await import("./commands/sessions.ts")).listSessions,
  },
  {
    name: "sessions revoke",
    args: ["[session]"],
    says: "end a session, all of a user, or everybody's: their tokens are refused at once",
    options: [
      { flags: "--user <user>", says: "all sessions of this user (id or identifier)" },
      { flags: "--all", says: "everybody's" },
      YES,
    ],
    load: async () => (await import("./commands/sessions.ts")).revokeSessions,
  },
  {
    name: "revoke",
    args: ["<kind>", "[id]"],
    says: "take something back, and wait until no verifier anywhere can accept it",
    options: [
      { flags: "--reason <reason>", says: "what its user is told (default: admin)", choices: END_REASONS },
      { flags: "--timeout <duration>", says: "stop waiting after this long (2s, 1m)" },
      { flags: "--no-wait", says: "do not wait: the entry is written, and on its way" },
      YES,
    ],
    notes:
      "<kind> and [id]: token <jti>, session <id>, grant <id>, user <id or identifier>, client <id>, key <kid>, all.\nWhile it waits, it shows who has acknowledged. It need not wait longer than MAPAE_REVOCATION_LEASE.",
    load: async () => (await import("./commands/revoke.ts")).revoke,
  },
  {
    name: "keys list",
    says: "list signing keys",
    load: async () => (await import("./commands/keys.ts")).listKeys,
  },
  {
    name: "keys rotate",
    says: "let the upcoming key sign from now on; harms nobody",
    options: [NOW],
    load: async () => (await import("./commands/keys.ts")).rotateKey,
  },
  {
    name: "keys retire",
    args: ["<kid>"],
    says: "stop a key from signing; its tokens stay good until they expire",
    options: [NOW],
    load: async () => (await import("./commands/keys.ts")).retireKey,
  },
  {
    name: "keys revoke",
    args: ["<kid>"],
    says: "refuse every token that a key signed, at once: for a key that leaked",
    options: [YES],
    load: async () => (await import("./commands/keys.ts")).revokeKey,
  },
  {
    name: "keys rotate-pepper",
    says: "encrypt every password hash under a new pepper key; needs nobody's password and ends nothing",
    load: async () => (await import("./commands/keys.ts")).rotatePepper,
  },
  {
    name: "clients create",
    args: ["[id]"],
    says: "make a client; the secret of a resource server is printed once",
    options: [
      {
        flags: "--kind <kind>",
        says: "resource_server (default) or first_party",
        choices: ["resource_server", "first_party"],
      },
      { flags: "--name <name>", says: "what people call it (default: its id)" },
      { flags: "--scope <scopes>", says: "the scopes that its tokens may carry, separated by spaces" },
      { flags: "--audience <audience>", says: "the `aud` of tokens for this resource server (default: the server's)" },
      { flags: "--jwks <file>", says: "its public keys: tokens for it are encrypted (needs an audience of its own)" },
    ],
    makes: true,
    load: async () => (await import("./commands/clients.ts")).createClient,
  },
  {
    name: "clients list",
    says: "list clients",
    load: async () => (await import("./commands/clients.ts")).listClients,
  },
  {
    name: "clients keys",
    args: ["<id>"],
    says: "say which public keys a resource server has: tokens for it are encrypted for the first",
    options: [
      { flags: "--jwks <file>", says: "a JWK set, or one JWK; replaces what was there" },
      { flags: "--none", says: "tokens for it are signed only again" },
    ],
    notes:
      "Give the resource server the new private key first, beside the old one: both kinds of tokens are under way for a while.",
    load: async () => (await import("./commands/clients.ts")).publishKeys,
  },
  {
    name: "clients delete",
    args: ["<id>"],
    says: "delete a client: its grants end, its tokens are refused",
    options: [YES],
    load: async () => (await import("./commands/clients.ts")).deleteClient,
  },
  {
    name: "webhooks create",
    args: ["<url>"],
    says: "tell an address of every revocation from now on; its secret is printed once",
    options: [
      {
        flags: "--kind <kind>",
        says: "only revocations of this kind; may stand several times",
        many: true,
      },
    ],
    notes: "Kinds: token, session, grant, key, user, client, all. docs/webhooks.md has the receiver's side.",
    load: async () => (await import("./commands/webhooks.ts")).createWebhook,
  },
  {
    name: "webhooks list",
    says: "list webhooks, and how far each has come",
    load: async () => (await import("./commands/webhooks.ts")).listWebhooks,
  },
  {
    name: "webhooks delete",
    args: ["<id>"],
    says: "delete a webhook",
    options: [YES],
    load: async () => (await import("./commands/webhooks.ts")).deleteWebhook,
  },
  {
    name: "webhooks rotate",
    args: ["<id>"],
    says: "replace a webhook's secret; messages carry both signatures for a while",
    options: [{ flags: "--overlap <duration>", says: "for how long (default: 1d); 0 where the secret leaked" }],
    load: async () => (await import("./commands/webhooks.ts")).rotateWebhook,
  },
  {
    name: "webhooks replay",
    args: ["<id>"],
    says: "resume a webhook that is paused, or send again what came behind a position",
    options: [
      { flags: "--after <position>", says: "epoch.number, as `webhooks list` prints it; 0.0: all that is kept" },
    ],
    load: async () => (await import("./commands/webhooks.ts")).replayWebhook,
  },
  {
    name: "webhooks deliveries",
    args: ["<id>"],
    says: "list the last attempts at a webhook, newest first",
    options: [{ flags: "--limit <count>", says: "how many (default: 50, at most 200)" }],
    load: async () => (await import("./commands/webhooks.ts")).listDeliveries,
  },
  {
    name: "ssf streams list",
    says: "list event streams, and how each is doing",
    load: async () => (await import("./commands/ssf-streams.ts")).listStreams,
  },
  {
    name: "ssf streams create",
    args: ["<client>"],
    says: "make an event stream for a resource server that cannot make it itself",
    options: [
      {
        flags: "--event <event>",
        says: "only these; may stand several times",
        many: true,
        choices: EVENT_NAMES,
      },
      { flags: "--url <url>", says: "push events to this address (RFC 8935); left out: they are polled (RFC 8936)" },
      AUTHORIZATION_STDIN,
      NAMING,
      { flags: "--description <text>", says: "what its receiver calls it" },
    ],
    notes: "A receiver that speaks the framework makes its streams itself: docs/shared-signals.md.",
    load: async () => (await import("./commands/ssf-streams.ts")).createStream,
  },
  {
    name: "ssf streams set",
    args: ["<id>"],
    says: "enable, pause or disable an event stream, or change how it calls users; its receiver is told",
    options: [
      { flags: "--status <status>", says: "paused: events are held back; disabled: they are not", choices: STATUSES },
      { flags: "--reason <text>", says: "why, for the receiver" },
      NAMING,
    ],
    load: async () => (await import("./commands/ssf-streams.ts")).setStream,
  },
  {
    name: "ssf streams delete",
    args: ["<id>"],
    says: "delete an event stream",
    options: [YES],
    load: async () => (await import("./commands/ssf-streams.ts")).deleteStream,
  },
  {
    name: "ssf receivers list",
    says: "list the providers whose events are taken, and when each was last heard of",
    load: async () => (await import("./commands/ssf-receivers.ts")).listReceivers,
  },
  {
    name: "ssf receivers add",
    args: ["<issuer>"],
    says: "take another provider's events: its stream is made there, or one that is there is used",
    options: [
      { flags: "--push", says: "the provider pushes them (RFC 8935)" },
      { flags: "--poll", says: "this server polls for them (RFC 8936)" },
      {
        flags: "--client <id>",
        says: "who this server is to the provider; its secret is read from stdin (HTTP Basic)",
      },
      AUTHORIZATION_STDIN,
      { flags: "--audience <audience>", says: "what the events must be for (default: as the provider says)" },
      {
        flags: "--domain <domain>",
        says: "the provider may name users by email addresses of this domain only; may stand several times (default: any)",
        many: true,
      },
      { flags: "--disable-accounts", says: "an account that is disabled there is disabled here too" },
      { flags: "--stream <id>", says: "use this stream, which is there already" },
      { flags: "--poll-url <url>", says: "where to poll, of a provider whose streams are managed by hand" },
    ],
    notes: "docs/shared-signals.md says what each event does here.",
    load: async () => (await import("./commands/ssf-receivers.ts")).addReceiver,
  },
  {
    name: "ssf receivers set",
    args: ["<id>"],
    says: "pause or resume a receiver, or change what its provider may do",
    options: [
      { flags: "--pause", says: "take no events; a poll makes up for it later" },
      { flags: "--resume", says: "take them again" },
      { flags: "--domain <domain>", says: "as for add, in place of the domains before", many: true },
      { flags: "--any-domain", says: "users of any domain may be named" },
      { flags: "--disable-accounts", says: "accounts that are disabled there are disabled here too" },
      { flags: "--keep-accounts", says: "they are not: only their sessions end" },
    ],
    load: async () => (await import("./commands/ssf-receivers.ts")).setReceiver,
  },
  {
    name: "ssf receivers show",
    args: ["<id>"],
    says: "show one receiver: what it may do, when it was last heard of, what last went wrong",
    load: async () => (await import("./commands/ssf-receivers.ts")).showReceiver,
  },
  {
    name: "ssf receivers verify",
    args: ["<id>"],
    says: "ask a provider for a sign of life over its stream",
    load: async () => (await import("./commands/ssf-receivers.ts")).verifyReceiver,
  },
  {
    name: "ssf receivers remove",
    args: ["<id>"],
    says: "take no more events of a provider, and delete the stream that was made there",
    options: [YES],
    load: async () => (await import("./commands/ssf-receivers.ts")).removeReceiver,
  },
  {
    name: "token inspect",
    args: ["[token]"],
    says: "explain a token part by part in plain words, and what is wrong with it, without verifying it",
    options: [
      { flags: "--key <keys>", says: "your private keys: look inside an encrypted token" },
      ...PASSPHRASE_OPTIONS,
    ],
    notes: "The token is read from stdin, or pasted at a prompt: it is a secret, and an argument is not.",
    apart: true,
    load: async () => (await import("./commands/token-inspect.ts")).inspectToken,
  },
  {
    name: "token verify",
    args: ["[token]"],
    says: "verify a token as a resource server would, and say why not",
    options: [
      { flags: "--issuer <url>", says: "whose tokens; its keys are found by discovery" },
      { flags: "--jwks <place>", says: "a file or an address with the keys, in place of discovery" },
      { flags: "--secret-file <file>", says: "a file with the shared secret (base64url), for HS*" },
      { flags: "--alg <alg>", says: "the algorithm of the shared secret", choices: ["HS256", "HS384", "HS512"] },
      { flags: "--audience <audience>", says: "whom the token must be meant for; not checked where it is left out" },
      { flags: "--key <keys>", says: "your private keys: open an encrypted token" },
      ...PASSPHRASE_OPTIONS,
    ],
    notes: "The token is read from stdin, or pasted at a prompt. Revocation is not asked: only the issuer knows it.",
    apart: true,
    load: async () => (await import("./commands/token-verify.ts")).verifyToken,
  },
  {
    name: "token sign",
    says: "sign an access token to try a resource server with; goes into the audit",
    options: [
      { flags: "--sub <user>", says: "whose token (id or identifier)" },
      { flags: "--audience <audience>", says: "whom it is meant for (default: the server's audience)" },
      { flags: "--scope <scopes>", says: "its scopes, separated by spaces (default: none)" },
      { flags: "--ttl <duration>", says: "how long it lives (30s, 2m); MAPAE_ACCESS_TTL at most, and by default" },
    ],
    load: async () => (await import("./commands/token-sign.ts")).signToken,
  },
  {
    name: "seal",
    args: ["[file]"],
    says: "seal a document or a file of any size: only the recipient can read it, only the sender can have written it",
    options: [
      { flags: "--from <keys>", says: "the sender's private keys" },
      { flags: "--to <keys>", says: "the recipient's public keys: a file or an address" },
      { flags: "--out <file>", says: "where the envelope goes; - for stdout" },
      ...SEALING,
    ],
    notes: `Without <file>, or with -, it is read from stdin. ${KEYS}`,
    apart: true,
    load: async () => (await import("./commands/seal.ts")).sealCommand,
  },
  {
    name: "seal keygen",
    args: ["<name>"],
    says: "make keys to seal and open with: <name>.private for yourself, <name>.public to publish",
    options: [
      {
        flags: "--kind <kind>",
        says: "ed25519 (default), p256 or rsa",
        choices: ["ed25519", "p256", "rsa"],
      },
      { flags: "--passphrase", says: "protect the private keys by a passphrase, asked for twice" },
      ...PASSPHRASE_OPTIONS,
      FORCE,
    ],
    notes:
      "Two JWK sets (RFC 7517), each with a key for signatures and one for encryption. The private file has mode 0600.",
    apart: true,
    load: async () => (await import("./commands/seal-keygen.ts")).sealKeygen,
  },
  {
    name: "open",
    args: ["[sealed]"],
    says: "open an envelope: first who sent it, then what it says; what does not hold is discarded",
    options: [
      { flags: "--from <keys>", says: "the sender's public keys: a file or an address" },
      { flags: "--to <keys>", says: "your own private keys" },
      { flags: "--out <file>", says: "where the document goes; - for stdout" },
      { flags: "--seen <list>", says: "a file that remembers what was opened: nothing is opened twice" },
      { flags: "--receipt <file>", says: "write a receipt for the sender as well" },
      ...SEALING,
    ],
    notes: `Without <sealed>, or with -, a document's envelope is read from stdin. ${KEYS}\nExit codes: 0 opened, 3 not from the named sender, 4 not for me or altered, 5 seen before.`,
    apart: true,
    load: async () => (await import("./commands/open.ts")).openCommand,
  },
  {
    name: "receipt",
    args: ["<sealed>"],
    says: "acknowledge to the sender that you have opened an envelope",
    options: [
      { flags: "--from <keys>", says: "your own private keys: you acknowledge" },
      { flags: "--to <keys>", says: "the sender's public keys: a file or an address" },
      { flags: "--out <file>", says: "where the receipt goes; - for stdout" },
      ...SEALING,
    ],
    notes: `It opens the envelope again, and keeps nothing. ${KEYS}`,
    apart: true,
    load: async () => (await import("./commands/receipt.ts")).makeReceiptCommand,
  },
  {
    name: "receipt verify",
    args: ["<sealed>", "<receipt>"],
    says: "check that the recipient has opened an envelope of yours",
    options: [
      { flags: "--from <keys>", says: "the recipient's public keys: a file or an address" },
      { flags: "--to <keys>", says: "your own keys, either half" },
      ...PASSPHRASE_OPTIONS,
      HTTP_OPTION,
    ],
    notes: "Exit codes: 0 acknowledged, 3 not the recipient's, 4 not of this envelope, or it was not opened.",
    apart: true,
    load: async () => (await import("./commands/receipt.ts")).verifyReceiptCommand,
  },
  {
    name: "backup",
    args: ["<file>"],
    says: "write a consistent copy of the database, also while the server serves",
    load: async () => (await import("./commands/backup.ts")).backup,
  },
  {
    name: "restore",
    args: ["<file>"],
    says: "put a backup in the place of the database; no server may run",
    options: [{ flags: "--keep-sessions", says: "do not end the sessions that the backup holds" }, YES],
    makes: true,
    load: async () => (await import("./commands/restore.ts")).restore,
  },
  {
    name: "move",
    says: "carry the installation over from its SQLite file to PostgreSQL, without ending a session; no server may run",
    options: [
      { flags: "--to <address>", says: "postgres://user@host:port/database (default: MAPAE_DATABASE_URL)" },
      PASSWORD_STDIN,
      { flags: "--dry-run", says: "look at both sides, say what would be moved, and change nothing" },
      { flags: "--undo", says: "go back to the file, as long as nothing was changed in the new database" },
    ],
    notes:
      "The database's password is MAPAE_DATABASE_PASSWORD, or read from stdin. Every row is carried over and compared; then\nthe file is marked, and no server starts on it any more. Interrupted at any point, run it again: it goes on. docs/moving.md",
    load: async () => (await import("./commands/move.ts")).moveCommand,
  },
  {
    name: "gate",
    says: "answer a proxy (nginx auth_request, HAProxy) whether a request's access token is good",
    options: GATE_OPTIONS,
    notes: "No data folder, no database: it needs the issuer's keys only. docs/gate.md has the proxies' side.",
    apart: true,
    load: async () => (await import("./commands/gate.ts")).gate,
  },
  {
    name: "relay",
    says: "follow the feed of revocations, and serve it to verifiers: fan-out that grows as a tree",
    options: RELAY_OPTIONS,
    notes: "No data folder, no database, and nothing to keep between two runs. docs/relay.md has the verifiers' side.",
    apart: true,
    load: async () => (await import("./commands/relay.ts")).relay,
  },
  {
    name: "strategies",
    says: "what there is to choose for MAPAE_STRATEGY: where log-ins live, and what each way promises",
    apart: true,
    load: async () => (await import("./commands/strategies.ts")).strategies,
  },
  {
    name: "lb",
    args: ["<program>"],
    says: "write a load balancer's configuration, for haproxy or nginx",
    options: [
      { flags: "--server <place>", says: "host:port or name=host:port; once for each server", many: true },
      { flags: "--listen <place>", says: "host:port, or :port for every address (default: :8080)" },
      { flags: "--certificate <file>", says: "PEM file with certificate chain and key; without it TLS ends elsewhere" },
      {
        flags: "--strategy <name>",
        says: "as MAPAE_STRATEGY of the servers (default: token)",
        choices: STRATEGY_NAMES,
      },
      { flags: "--out <file>", says: "write it there, and not to stdout" },
      { flags: "--force", says: "replace the file" },
    ],
    notes:
      "<program> is haproxy or nginx. With the strategies memory and sticky, browsers keep to their server only under sticky.",
    apart: true,
    load: async () => (await import("./commands/lb.ts")).lb,
  },
  {
    name: "doctor",
    says: "check settings, files, database, keys and server; exit code 1 where something fails",
    apart: false,
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    name: "settings",
    says: "print the table of settings (environment variables)",
    apart: true,
    load: async () => (await import("./commands/settings.ts")).settings,
  },
];
