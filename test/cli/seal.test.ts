/** The three countries at the command line: what is printed, how it ends, and what is left on the disk. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { EXIT_CODES } from "../../packages/server/src/cli/exit.ts";
import { environment, FLAGS, LOGIN_SERVER, temporaryFolder } from "../processes.ts";
import { documents, mapae, type Ran, type RunOptions } from "./mapae.ts";

const PLAN = "2023-05-19 23:00\n";

describe("sealed documents at the command line", { concurrency: false }, () => {
  let folder = "";
  const at = (name: string) => join(folder, name);
  const run = (line: string, options: RunOptions = {}): Promise<Ran> => mapae(folder, line.split(" "), options);
  const read = (name: string) => readFileSync(at(name), "utf8");

  async function ends(
    line: string,
    exit: keyof typeof EXIT_CODES,
    says: RegExp,
    options: RunOptions = {},
  ): Promise<Ran> {
    const ran = await run(line, options);
    assert.equal(ran.code, EXIT_CODES[exit].code, `${line}: ${ran.stderr}`);
    assert.match(ran.stderr, says, line);
    return ran;
  }

  const tasks: (() => void)[] = [];
  after(() => {
    for (const task of tasks) task();
  });
  before(async () => {
    folder = temporaryFolder((task) => tasks.push(task));
    writeFileSync(at("plan"), PLAN);
    for (const country of ["a", "b", "c"]) assert.equal((await run(`seal keygen ${country}`)).code, 0);
    assert.equal((await run("seal --from a.private --to b.public --out sealed plan")).code, 0);
  });

  test("keys are made, the private ones for their owner alone, and never over others", async () => {
    assert.equal(statSync(at("a.private")).mode & 0o777, 0o600);
    assert.match(read("a.public"), /"use": "enc"/);
    assert.doesNotMatch(read("a.public"), /"d":/);
    const before = read("a.private");
    await ends("seal keygen a", "failed", /^mapae: a\.private exists; --force replaces it\n$/);
    assert.equal(read("a.private"), before);
    await ends("seal keygen x --kind dsa", "usage", /is invalid/);
  });

  test("A seals, B opens and acknowledges, A knows", async () => {
    assert.match(read("sealed"), /^[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.ok(!read("sealed").includes("23:00"));
    const opened = await ends(
      "open --from a.public --to b.private --out got sealed",
      "ok",
      /^Opened: sealed by .{43} at /,
    );
    assert.equal(opened.stdout, "got\n");
    assert.equal(read("got"), PLAN);
    assert.equal(statSync(at("got")).mode & 0o777, 0o600);
    await ends("receipt --from b.private --to a.public --out receipt sealed", "ok", /^Acknowledged: document /);
    const known = await ends("receipt verify --from b.public --to a.public sealed receipt", "ok", /^$/);
    assert.match(known.stdout, /^ACKNOWLEDGED {2}document .{22}, opened by .{43} at \d{4}-/);
    const json = await run("receipt verify --from b.public --to a.private sealed receipt --json");
    assert.partialDeepStrictEqual(documents(json), [{ ok: true }]);
  });

  test("the four outcomes have their exit codes and sentences, and only the first leaves a document", async () => {
    await ends("open --from a.public --to b.private --out one --seen list sealed", "ok", /Opened/);
    await ends(
      "open --from c.public --to b.private --out two sealed",
      "notFromSender",
      /^mapae: Discarded: not from the named sender\./,
    );
    await ends(
      "open --from a.public --to c.private --out two sealed",
      "notForMe",
      /^mapae: Discarded: not for me or altered\.\n$/,
    );
    await ends(
      "open --from a.public --to b.private --out two --seen list sealed",
      "seenBefore",
      /^mapae: Discarded: seen before\.\n$/,
    );
    assert.equal(existsSync(at("two")), false);
    assert.deepEqual([EXIT_CODES.notFromSender.code, EXIT_CODES.notForMe.code, EXIT_CODES.seenBefore.code], [3, 4, 5]);
    const json = await run("open --from a.public --to c.private --out two sealed --json");
    assert.equal(json.code, 4);
    assert.deepEqual(documents(json), [
      { ok: false, code: "not_for_me", message: "Discarded: not for me or altered." },
    ]);
  });

  test("through pipes: a document in, its envelope through, the document out", async () => {
    const sealed = await run("seal --from a.private --to b.public --out - -", { stdin: PLAN });
    const opened = await run("open --from a.public --to b.private --out - -", { stdin: `${sealed.stdout}\r\n` });
    assert.equal(opened.stdout, PLAN);
    const empty = await run("seal --from a.private --to b.public --out - -");
    assert.equal((await run("open --from a.public --to b.private --out -", { stdin: empty.stdout })).stdout, "");
    await ends("open --from a.public --to b.private --out - --json sealed", "usage", /both want stdout/);
  });

  test("a large file goes in pieces, and comes out as it went in; altered or cut off it leaves nothing", async () => {
    const content = randomBytes(3 * 1024 * 1024 + 5);
    writeFileSync(at("large"), content);
    await ends("seal --from a.private --to b.public --out large.sealed large", "ok", /Sealed by/);
    assert.ok(statSync(at("large.sealed")).size < content.length + 2000);
    await ends(
      "open --from a.public --to b.private --out large.got --receipt large.receipt large.sealed",
      "ok",
      /Opened/,
    );
    assert.deepEqual(readFileSync(at("large.got")), content);
    await ends("receipt verify --from b.public --to a.public large.sealed large.receipt", "ok", /^$/);
    await ends(
      "receipt verify --from b.public --to a.public large.sealed receipt",
      "notForMe",
      /acknowledges another envelope/,
    );
    const altered = readFileSync(at("large.sealed"));
    altered[2_000_000] = (altered[2_000_000] ?? 0) ^ 1;
    writeFileSync(at("large.altered"), altered);
    await ends("open --from a.public --to b.private --out never large.altered", "notForMe", /not for me or altered/);
    truncateSync(at("large.altered"), 2_000_000);
    await ends("open --from a.public --to b.private --out never large.altered", "notFromSender", /cut off/);
    await ends("open --from a.public --to b.private --out - large.sealed", "usage", /--out <file>/);
    const piped = mapae(folder, ["seal", "--from", "a.private", "--to", "b.public", "--out", "piped"], {
      stdin: content.toString("latin1"),
    });
    assert.equal((await piped).code, 0);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith(".") || name === "never"),
      [],
    );
  });

  test("files that exist are replaced with --force only, and nothing is opened where it could not be kept", async () => {
    writeFileSync(at("mine"), "mine");
    await ends("seal --from a.private --to b.public --out mine plan", "failed", /mine exists; --force replaces it/);
    await ends("open --from a.public --to b.private --out mine --seen other sealed", "failed", /mine exists/);
    assert.equal(existsSync(at("other")), false, "nor is it noted as seen");
    assert.equal(read("mine"), "mine");
    await ends("open --from a.public --to b.private --out mine --force sealed", "ok", /Opened/);
    assert.equal(read("mine"), PLAN);
    await ends(
      "open --from a.public --to b.private --out none/mine --seen other sealed",
      "failed",
      /cannot be written/,
    );
    await ends("open --from a.public --to b.private --out third --seen other sealed", "ok", /Opened/);
  });

  test("what is no envelope, no key, no file is told in one line", async () => {
    writeFileSync(at("empty"), "");
    writeFileSync(at("picture"), randomBytes(5_000_000));
    mkdirSync(at("dir"));
    const open = "open --from a.public --to b.private --out never";
    await ends(`${open} empty`, "notFromSender", /none that can be read/);
    await ends(`${open} picture`, "notFromSender", /none that can be read/);
    await ends(`${open} plan`, "notFromSender", /none that can be read/);
    await ends(`${open} absent`, "failed", /^mapae: the file absent cannot be read\n$/);
    await ends(`${open} dir`, "usage", /dir is no file/);
    await ends("seal --from a.private --to b.public --out never dir", "usage", /dir is a folder/);
    await ends("open --from plan --to b.private --out never sealed", "usage", /^mapae: plan: It holds no keys/);
    await ends(
      "open --from a.private --to b.private --out never sealed",
      "usage",
      /It holds a private key, where only public/,
    );
    await ends("seal --from a.public --to b.public --out never plan", "usage", /It holds no private key/);
    await ends("open --from empty --to b.private --out never sealed", "usage", /It holds no keys/);
    await ends("open --from picture --to b.private --out never sealed", "usage", /too large for a file of keys/);
    await ends("open --to b.private --out never sealed", "usage", /say who is said to have sealed it: --from/);
    writeFileSync(at("signs"), generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }));
    await ends(
      "seal --from a.private --to signs --out never plan",
      "usage",
      /^mapae: signs: it has no key for encryption\n$/,
    );
    await ends("open --from a.public --to b.private --out never --seen plan sealed", "usage", /plan is not a list/);
    assert.equal(existsSync(at("never")), false);
  });

  test("p2c bombs, gigabyte headers, weak, wrong and mixed keys end at once, each with its code", async () => {
    const open = "open --from a.public --to b.private --out never";
    // Two gigabytes of what would be a header, without a dot; the same behind the head of a sealed file, and with a foot.
    writeFileSync(at("endless"), "eyJ".repeat(1000));
    truncateSync(at("endless"), 2 ** 31);
    await ends(`${open} endless`, "notFromSender", /none that can be read/);
    const magic = Buffer.from("894d41504145010a", "hex");
    writeFileSync(at("headed"), magic);
    truncateSync(at("headed"), 2 ** 31);
    await ends(`${open} headed`, "notFromSender", /none that can be read/);
    appendFileSync(at("headed"), Buffer.concat([Buffer.from("7fffffff", "hex"), magic]));
    await ends(`${open} headed`, "notFromSender", /none that can be read/);
    await ends("receipt verify --from b.public --to a.public sealed endless", "notFromSender", /none that can be read/);

    const header = { alg: "PBES2-HS512+A256KW", enc: "A256GCM", cty: "jwk-set+json", p2s: "AAAAAAAAAAAAAAAAAAAAAA" };
    const bomb = Buffer.from(JSON.stringify({ ...header, p2c: 2 ** 31 - 1 })).toString("base64url");
    writeFileSync(at("bomb"), `${bomb}.AAAA.AAAA.AAAA.AAAA`);
    writeFileSync(at("horse"), "correct horse\n");
    await ends(
      "open --from a.public --to bomb --passphrase-file horse --out never sealed",
      "usage",
      /^mapae: bomb: .*2,?000,?000/,
    );

    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
    writeFileSync(at("weak.pem"), weak.privateKey.export({ format: "pem", type: "pkcs8" }));
    writeFileSync(at("weak.pub"), weak.publicKey.export({ format: "pem", type: "spki" }));
    await ends("seal --from weak.pem --to b.public --out never plan", "usage", /smaller than the algorithm demands/);
    await ends("seal --from a.private --to weak.pub --out never plan", "usage", /smaller than the algorithm demands/);
    writeFileSync(
      at("useless"),
      JSON.stringify({
        keys: [
          { kty: "oct", k: "A".repeat(43) },
          { kty: "EC", crv: "P-521" },
        ],
      }),
    );
    await ends("seal --from a.private --to useless --out never plan", "usage", /^mapae: useless: /);
    writeFileSync(at("no-keys"), '{"keys":[]}');
    await ends("seal --from a.private --to no-keys --out never plan", "usage", /^mapae: no-keys: It holds no key\./);

    // A's and C's keys in one file: whoever of them signed counts as the named sender, and C is not let in by mistake.
    const [mine, theirs] = [JSON.parse(read("a.public")), JSON.parse(read("c.public"))];
    writeFileSync(at("both"), JSON.stringify({ keys: [...theirs.keys, ...mine.keys] }));
    await ends("open --from both --to b.private --out mixed sealed", "ok", /Opened/);
    await ends("open --from c.public --to b.private --out never sealed", "notFromSender", /not the named sender's/);
    await ends("open --from b.public --to a.private --out never sealed", "notFromSender", /not the named sender's/);
    await ends(`open --from a.public --to c.private --out never sealed`, "notForMe", /not for me or altered/);
    assert.equal(existsSync(at("never")), false);
  });

  test("PEM files of RSA, one key for both as in the story, and a passphrase from a file, a variable, and nowhere", async () => {
    const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(at("r.pub"), pair.publicKey.export({ format: "pem", type: "spki" }));
    const cipher = { format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "correct horse" } as const;
    writeFileSync(at("r.pem"), pair.privateKey.export(cipher));
    writeFileSync(at("phrase"), "correct horse\n");
    writeFileSync(at("wrong"), "battery staple\n");
    await ends("seal --from r.pem --to r.pub --out r1 --passphrase-file phrase plan", "ok", /Sealed/);
    const settings = { PHRASE: "correct horse" };
    await ends("open --from r.pub --to r.pem --out r2 --passphrase-env PHRASE r1", "ok", /Opened/, { settings });
    await ends(
      "seal --from r.pem --to r.pub --out never plan",
      "usage",
      /no terminal to ask for it: --passphrase-file/,
    );
    await ends(
      "seal --from r.pem --to r.pub --out never --passphrase-file wrong plan",
      "usage",
      /passphrase does not open it/,
    );
    await ends(
      "seal --from r.pem --to r.pub --out never --passphrase-env NONE plan",
      "usage",
      /variable NONE is not set/,
    );
    await ends("seal keygen p --passphrase-file phrase", "ok", /^$/);
    assert.doesNotMatch(read("p.private"), /kty/);
    await ends("seal --from p.private --to b.public --out p1 --passphrase-file phrase plan", "ok", /Sealed/);
    await ends("open --from p.public --to b.private --out p2 p1", "ok", /Opened/);
    await ends("seal keygen q --passphrase", "usage", /no terminal/);
  });

  test("the public key on the blog: fetched, and not over a wire that anybody can change", async (t) => {
    const blog = createServer((request, response) => {
      if (request.url === "/a") response.end(read("a.public"));
      else if (request.url === "/endless") response.end("x".repeat(1_000_000));
      else response.writeHead(404).end();
    });
    blog.listen(0, "127.0.0.1");
    await once(blog, "listening");
    t.after(() => blog.close());
    const address = blog.address();
    assert.ok(typeof address === "object" && address !== null);
    const url = `http://localhost:${address.port}`;
    await ends(`open --from ${url}/a --to b.private --out blog sealed`, "ok", /Opened/);
    await ends(`open --from ${url}/none --to b.private --out never sealed`, "failed", /the answer was status 404/);
    await ends(`open --from ${url}/endless --to b.private --out never sealed`, "failed", /at most 256 KiB/);
    await ends("open --from http://a.example/key --to b.private --out never sealed", "failed", /must be an https: URL/);
  });

  test("told to stop in the middle, it leaves no half document behind", async () => {
    const args = ["seal", "--from", "a.private", "--to", "b.public", "--out", "halted"];
    const child = spawn(process.execPath, [...FLAGS, LOGIN_SERVER, ...args], {
      cwd: folder,
      env: environment({}),
      stdio: ["pipe", "ignore", "ignore"],
    });
    child.stdin.on("error", () => {});
    child.stdin.write(randomBytes(4 * 1024 * 1024));
    const begun = () => readdirSync(folder).some((name) => name.startsWith(".halted"));
    while (!begun()) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    const [code] = await once(child, "close");
    assert.equal(code, EXIT_CODES.interrupted.code);
    assert.deepEqual([begun(), existsSync(at("halted"))], [false, false]);
  });

  test("two that open the same envelope at once: one gets the document", async () => {
    const both = await Promise.all(
      ["left", "right"].map((out) => run(`open --from a.public --to b.private --out ${out} --seen race sealed`)),
    );
    assert.deepEqual(both.map(({ code }) => code).sort(), [0, EXIT_CODES.seenBefore.code]);
    assert.equal(["left", "right"].filter((out) => existsSync(at(out))).length, 1);
  });
});
