import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ClientFault } from "./faults.js";
import { fileStorage } from "./node.js";
import { memoryStorage } from "./storage.js";
let folder = "";
let files = 0;
before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mapae-client-"));
});
after(() => rm(folder, { recursive: true }));
const path = () => join(folder, "deep", `${++files}.json`);
const drivers = {
    memory: () => memoryStorage(),
    file: () => fileStorage(path()),
};
for (const [name, open] of Object.entries(drivers)) {
    describe(`storage: ${name}`, () => {
        it("keeps one text per name", async () => {
            const storage = open();
            assert.equal(await storage.read("a"), null);
            assert.equal(await storage.change("a", (text) => `${text}1`), "null1");
            await storage.change("b", () => "2");
            assert.equal(await storage.read("a"), "null1");
            assert.equal(await storage.read("b"), "2");
            assert.equal(await storage.read("__proto__"), null);
        });
        it("50 changes at once are 50 changes", async () => {
            const storage = open();
            const add = () => storage.change("n", (text) => String(Number(text ?? 0) + 1));
            await Promise.all(Array.from({ length: 50 }, add));
            assert.equal(await storage.read("n"), "50");
        });
        it("a decision that throws changes nothing and stops nobody", async () => {
            const storage = open();
            await storage.change("n", () => "kept");
            const failing = storage.change("n", () => {
                throw new Error("no");
            });
            await assert.rejects(failing);
            assert.equal(await storage.read("n"), "kept");
        });
    });
}
describe("the file", () => {
    it("is for its owner only, is whole after every change, and leaves no drafts behind", async () => {
        const file = path();
        await fileStorage(file).change("a", () => "secret");
        if (process.platform !== "win32")
            assert.equal((await stat(file)).mode & 0o777, 0o600);
        assert.deepEqual(JSON.parse(await readFile(file, "utf8")), { a: "secret" });
        assert.ok((await readdir(join(folder, "deep"))).every((name) => name.endsWith(".json")));
    });
    it("a file that others could read is replaced by one that they cannot", async () => {
        const file = path();
        await writeFile(file, "{}", { mode: 0o644 });
        await fileStorage(file).change("a", () => "secret");
        if (process.platform !== "win32")
            assert.equal((await stat(file)).mode & 0o777, 0o600);
    });
    it("shows two objects for one file the same text", async () => {
        const file = path();
        await fileStorage(file).change("a", () => "1");
        assert.equal(await fileStorage(file).read("a"), "1");
        assert.equal(fileStorage(file).sharedAs, fileStorage(join(file, "..", `${files}.json`)).sharedAs);
    });
    it("that holds something else is a fault that does not quote it, and is not overwritten", async () => {
        const file = path();
        await writeFile(file, '{"token":"rt.secret');
        const isQuiet = (error) => {
            assert.ok(error instanceof ClientFault);
            assert.equal(error.code, "storage_failed");
            assert.ok(!String(Object(error.cause).message).includes("secret"));
            return true;
        };
        await assert.rejects(fileStorage(file).read("a"), isQuiet);
        await assert.rejects(fileStorage(file).change("a", () => "1"), isQuiet);
        assert.equal(await readFile(file, "utf8"), '{"token":"rt.secret');
    });
});
