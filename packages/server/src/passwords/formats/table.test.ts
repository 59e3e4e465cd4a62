import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import fc from "fast-check";
import { SAMPLE_HASHES, SAMPLE_PASSWORD } from "../samples/hashes.ts";
import { FORMATS, REFUSED_FORMATS, readHash } from "./table.ts";

async function matches(text: string, password: string | Buffer): Promise<boolean> {
  const read = readHash(text);
  assert.ok(read.ok, read.ok ? "" : read.message);
  return read.hash.verify(Buffer.from(password));
}

const unpadded = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
const dotted = (bytes: Buffer): string => unpadded(bytes).replaceAll("+", ".");

for (const { by, format, hash } of SAMPLE_HASHES) {
  test(`a hash made by ${by} is read as ${format}, and knows its password from others`, async () => {
    const read = readHash(hash);
    assert.equal(read.ok && read.hash.format, format);
    assert.equal(await matches(hash, SAMPLE_PASSWORD), true);
    assert.equal(await matches(hash, `${SAMPLE_PASSWORD} `), false);
    assert.equal(await matches(hash, SAMPLE_PASSWORD.normalize("NFD")), false);
    assert.equal(await matches(hash, ""), false);
  });
}

test("the scrypt vectors of RFC 7914 §12 hold", async () => {
  const vectors = [
    [
      "password",
      "NaCl",
      10,
      8,
      16,
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    ],
    [
      "pleaseletmein",
      "SodiumChloride",
      14,
      8,
      1,
      "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
    ],
  ] as const;
  for (const [password, salt, ln, r, p, hex] of vectors) {
    const text = `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(Buffer.from(salt))}$${unpadded(Buffer.from(hex, "hex"))}`;
    assert.equal(await matches(text, password), true);
    assert.equal(await matches(text, `${password}!`), false);
  }
});

test("the PBKDF2 vectors of RFC 6070 and RFC 7914 §11 hold", async () => {
  const vectors = [
    ["", "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"],
    ["", "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"],
    [
      "",
      "passwordPASSWORDpassword",
      "saltSALTsaltSALTsaltSALTsaltSALTsalt",
      4096,
      "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
    ],
    ["", "pass\0word", "sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"],
    [
      "-sha256",
      "Password",
      "NaCl",
      80_000,
      "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
    ],
  ] as const;
  for (const [digest, password, salt, iterations, hex] of vectors) {
    const text = `$pbkdf2${digest}$${iterations}$${dotted(Buffer.from(salt))}$${dotted(Buffer.from(hex, "hex"))}`;
    assert.equal(await matches(text, password), true, text);
    assert.equal(await matches(text, `${password}!`), false);
  }
});

/** 72 bytes of "a", hashed by Python's bcrypt 4. */
const BCRYPT_OF_72 = "$2b$04$b9BOEUFcO2tcbvXGYlrGp..dwsB31CCPAqRqHqcKyNfpERroLLvCi";

test("bcrypt truncation: a password of 72 bytes matches its hash, the same with a 73rd does not", async () => {
  assert.equal(await matches(BCRYPT_OF_72, "a".repeat(72)), true);
  assert.equal(await matches(BCRYPT_OF_72, "a".repeat(73)), false);
  assert.equal(await matches(BCRYPT_OF_72, `${"a".repeat(72)}\0`), false);
});

test("bcrypt repeats a short password with a NUL between: the repetition spelt out does not match", async () => {
  assert.equal(await matches("$2b$04$.9lcoP/xbaqD7fQtuigFWeE/b9Bzf9eiZbkzQxDSyuYaRyg.brwRK", "abc"), true);
  assert.equal(await matches("$2b$04$.9lcoP/xbaqD7fQtuigFWeE/b9Bzf9eiZbkzQxDSyuYaRyg.brwRK", "abc\0abc"), false);
});

test("bcrypt over SHA-256 tells passwords apart beyond the 72nd byte", async () => {
  assert.equal(
    await matches("bcrypt_sha256$$2b$04$KlOv0G8mhBZW8OKfJEzcJuSQM371DF25ujXkDV1An86JRuFs.1RY2", "a".repeat(80)),
    true,
  );
  assert.equal(
    await matches("bcrypt_sha256$$2b$04$KlOv0G8mhBZW8OKfJEzcJuSQM371DF25ujXkDV1An86JRuFs.1RY2", "a".repeat(81)),
    false,
  );
});

test("hashes that would stall the server or fill its memory are refused before anything is computed", () => {
  const salt = unpadded(Buffer.alloc(16, 1));
  const digest = unpadded(Buffer.alloc(32, 2));
  const dear = [
    `$argon2id$v=19$m=4294967295,t=1,p=1$${salt}$${digest}`,
    `$argon2id$v=19$m=65536,t=4294967295,p=1$${salt}$${digest}`,
    `$argon2id$v=19$m=262145,t=1,p=1$${salt}$${digest}`,
    `$scrypt$ln=19,r=8,p=1$${salt}$${digest}`,
    `$2b$31$${"a".repeat(21)}u${"a".repeat(31)}`,
    `$2b$15$${"a".repeat(21)}u${"a".repeat(31)}`,
    `$scrypt$ln=20,r=8,p=1$${salt}$${digest}`,
    `$scrypt$ln=10,r=64,p=64$${salt}$${digest}`.replace("ln=10", "ln=15"),
    `$scrypt$ln=99,r=8,p=1$${salt}$${digest}`,
    `$pbkdf2-sha256$4294967295$${salt}$${digest}`,
    `scrypt:1048576:8:1$salt$${"ab".repeat(32)}`,
    `pbkdf2_sha256$999999999$salt$${Buffer.alloc(32).toString("base64")}`,
  ];
  for (const text of dear) {
    const read = readHash(text);
    assert.equal(read.ok ? "read" : read.reason, "too_costly", text);
  }
});

test("malformed hashes of known formats are refused as such, whatever is wrong with them", () => {
  const salt = unpadded(Buffer.alloc(16, 1));
  const digest = unpadded(Buffer.alloc(32, 2));
  const malformed = [
    "",
    `$argon2id$v=16$m=64,t=1,p=1$${salt}$${digest}`,
    `$argon2id$v=19$t=1,m=64,p=1$${salt}$${digest}`,
    `$argon2id$v=19$m=064,t=1,p=1$${salt}$${digest}`,
    `$argon2id$v=19$m=64,t=1,p=1$${salt}=$${digest}`,
    `$argon2id$v=19$m=64,t=1,p=1$${salt}$${digest}$`,
    `$argon2id$v=19$m=64,t=1,p=1$${salt}$AAAA`,
    `$argon2id$v=19$m=4,t=1,p=1$${salt}$${digest}`,
    `$argon2id$v=19$m=64,t=1,p=1$${salt.slice(0, -1)}B$${digest}`,
    `$2b$04$${"a".repeat(21)}u${"a".repeat(30)}`,
    `$2b$4$${"a".repeat(21)}u${"a".repeat(31)}`,
    `$2b$04$${"a".repeat(21)}v${"a".repeat(31)}`,
    `scrypt$1000$salt$8$1$${Buffer.alloc(64).toString("base64")}`,
    `scrypt:1024:8:1$$${"ab".repeat(32)}`,
    `scrypt:1024:8:1$salt$${"AB".repeat(32)}`,
    `pbkdf2:md5:1000$salt$${"ab".repeat(16)}`,
    `pbkdf2_sha256$0$salt$${Buffer.alloc(32).toString("base64")}`,
    `$pbkdf2-sha256$29000$${salt}$`,
    `$2b$04$${"a".repeat(21)}u${"a".repeat(31)}\n`,
    `$scrypt$ln=4,r=8,p=1$${salt}$${"A".repeat(600)}`,
  ];
  for (const text of malformed) {
    const read = readHash(text);
    assert.equal(read.ok ? "read" : read.reason, "malformed", text);
  }
});

test("known formats that cannot be kept are refused by name, unknown text as unknown", () => {
  const refusals = [
    ["$argon2d$v=19$m=64,t=1,p=1$x$y", /Argon2d/],
    [`$2x$04$${"a".repeat(53)}`, /bcrypt/],
    ["$bcrypt-sha256$v=2,t=2b,r=5$yZc9n/HbAh.0YNO6TnmoVO$HAK1J0b.53k4leCDItABjizuo/rVfGa", /passlib/],
    ["$6$salt$digest", /SHA-crypt/],
    ["$P$B12345678", /phpass/],
    ["$1$salt$digest", /MD5-crypt/],
    ["$y$j9T$salt$digest", /yescrypt/],
    ["{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", /LDAP/],
    ["5f4dcc3b5aa765d61d8327deb882cf99", /bare digests/],
  ] as const;
  for (const [text, name] of refusals) {
    const read = readHash(text);
    assert.ok(!read.ok && read.reason === "unsupported_format", text);
    assert.match(read.message, name);
  }
  const read = readHash("hunter2");
  assert.equal(read.ok ? "read" : read.reason, "unknown_format");
  assert.ok(REFUSED_FORMATS.every(({ begins }) => !FORMATS.some((format) => format.begins.source === begins.source)));
});

test("garbage, and every small change to a real hash, is read or refused and never throws; refusals come from a closed set", () => {
  const messages = new Set<string>();
  const real = fc.constantFrom(...SAMPLE_HASHES.map(({ hash }) => hash));
  const change = fc
    .tuple(real, fc.nat(), fc.string({ maxLength: 3 }), fc.nat({ max: 4 }))
    .map(([hash, at, text, cut]) => {
      const place = at % (hash.length + 1);
      return hash.slice(0, place) + text + hash.slice(place + cut);
    });
  const built = fc
    .tuple(
      fc.constantFrom("$argon2id$", "$2b$", "$scrypt$", "scrypt:", "$pbkdf2-sha256$", "pbkdf2_sha256$"),
      fc.string(),
    )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), change, built), (text) => {
      const read = readHash(text);
      if (!read.ok) messages.add(read.message);
    }),
    { numRuns: 3000 },
  );
  assert.ok(messages.size <= 2 * FORMATS.length + REFUSED_FORMATS.length + 2, "a message repeats what it was given");
});

test("whatever is read can be verified without an error, since a stored hash is met at a log-in", async () => {
  const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
    fc.uint8Array({ minLength, maxLength, size: "max" }).map((array) => Buffer.from(array));
  const argon2 = fc
    .tuple(
      fc.constantFrom("argon2id", "argon2i"),
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 16 }),
      bytes(1, 70),
      bytes(1, 70),
    )
    .map(
      ([variant, m, t, p, salt, digest]) =>
        `$${variant}$v=19$m=${m},t=${t},p=${p}$${unpadded(salt)}$${unpadded(digest)}`,
    );
  const scrypt = fc
    .tuple(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 70 }),
      bytes(1, 70),
      bytes(1, 70),
    )
    .map(([ln, r, p, salt, digest]) => `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(digest)}`);
  const pbkdf2 = fc
    .tuple(fc.constantFrom("", "-sha256", "-sha512"), fc.integer({ min: 1, max: 20 }), bytes(1, 70), bytes(1, 70))
    .map(([digest, iterations, salt, key]) => `$pbkdf2${digest}$${iterations}$${dotted(salt)}$${dotted(key)}`);
  let verified = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(argon2, scrypt, pbkdf2), async (text) => {
      const read = readHash(text);
      if (!read.ok) return;
      verified++;
      assert.equal(await read.hash.verify(Buffer.from("some password")), false);
    }),
    { numRuns: 200 },
  );
  assert.ok(verified > 20);
});

test("docs/passwords.md shows every format, and every one that is refused", async () => {
  const page = await readFile(new URL("../../../../../docs/passwords.md", import.meta.url), "utf8");
  for (const { name, shape } of FORMATS) assert.ok(page.includes(`| ${name} | \`${shape}\` |`), name);
  for (const { name, why } of REFUSED_FORMATS) assert.ok(page.includes(`| ${name} | ${why} |`), name);
});
