/**
 * `@mapae/client/node`: a file as the place where a session survives the process, for command lines, workers and
 * devices.
 *
 * The file is readable by its owner only (0600) and is replaced by rename after it has reached the disk, so a reader finds
 * the old text or the new one and never half of either. Clients of one process take turns. Two processes may share a
 * file: between the reading and the renaming of one of them (well under a millisecond) the other's write can be lost.
 * What is lost is then a successor that the server gives out again for the same key, so nobody is signed out by it.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ClientFault } from "./faults.js";
import { inTurn } from "./turns.js";
function isMissing(error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT";
}
/** Not JSON.parse's own error: it quotes the text, which holds a refresh token. */
function parse(text) {
    try {
        const parsed = JSON.parse(text);
        if (typeof parsed === "object" && parsed !== null)
            return parsed;
    }
    catch {
        // The same fault as a text that is JSON but no object.
    }
    throw new SyntaxError("the file does not hold what this client wrote");
}
async function load(file) {
    let text;
    try {
        text = await readFile(file, "utf8");
    }
    catch (error) {
        if (isMissing(error))
            return new Map();
        throw error;
    }
    const parsed = parse(text);
    return new Map(Object.entries(parsed).filter((entry) => typeof entry[1] === "string"));
}
async function save(file, texts) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const draft = `${file}.${randomUUID()}`;
    try {
        const handle = await open(draft, "wx", 0o600);
        try {
            await handle.writeFile(JSON.stringify(Object.fromEntries(texts)));
            await handle.sync();
        }
        finally {
            await handle.close();
        }
        await rename(draft, file);
    }
    catch (error) {
        await rm(draft, { force: true });
        throw error;
    }
}
/** Keeps sessions in a file of this path; its folder is made (0700) where it is missing. */
export function fileStorage(path) {
    const file = resolve(path);
    const step = (work) => inTurn(file, work).catch((cause) => {
        throw new ClientFault("storage_failed", { cause });
    });
    return {
        sharedAs: `file:${file}`,
        read: (name) => step(async () => (await load(file)).get(name) ?? null),
        change: (name, decide) => step(async () => {
            const texts = await load(file);
            const text = decide(texts.get(name) ?? null);
            await save(file, texts.set(name, text));
            return text;
        }),
    };
}
