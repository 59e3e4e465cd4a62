/**
 * Where the session survives a reload: a port of two operations, and its two drivers that run everywhere (the file driver
 * is in `node.ts`, because a browser has no files).
 *
 * The client keeps one small text per server in it. `change` must read, decide and write as one step with respect to
 * everybody who shares the place, and be durable when it resolves: what a rotation is proved with is in that text.
 */
import { ClientFault } from "./faults.js";
/** Gone with the process or the page. With a name, the clients of one process that were given the same object share it. */
export function memoryStorage(sharedAs = null) {
    const texts = new Map();
    return {
        sharedAs,
        read: async (name) => texts.get(name) ?? null,
        change: async (name, decide) => {
            const text = decide(texts.get(name) ?? null);
            texts.set(name, text);
            return text;
        },
    };
}
const STORE = "documents";
/**
 * IndexedDB, shared by all tabs of the origin. Not `localStorage`: that is neither atomic over tabs (a tab in another
 * process reads a copy that lags behind) nor on the disk when the call returns. A read-write transaction is both, with
 * `durability: "strict"`.
 *
 * Any script that runs in the page can read it. In `mode: "cookie"` it holds nothing that signs anybody in.
 */
export function browserStorage(database = "mapae") {
    let opened = null;
    const open = () => {
        opened ??= new Promise((resolve, reject) => {
            const request = indexedDB.open(database, 1);
            request.onupgradeneeded = () => request.result.createObjectStore(STORE);
            request.onerror = () => reject(request.error);
            request.onsuccess = () => {
                // Another tab may delete or upgrade the database; a connection that is kept open would block it.
                const forget = () => {
                    opened = null;
                };
                request.result.onversionchange = () => {
                    request.result.close();
                    forget();
                };
                request.result.onclose = forget;
                resolve(request.result);
            };
        }).catch((cause) => {
            opened = null;
            throw new ClientFault("storage_failed", { cause });
        });
        return opened;
    };
    const transact = async (mode, work) => {
        const connection = await open();
        return new Promise((resolve, reject) => {
            const failed = (cause) => reject(new ClientFault("storage_failed", { cause }));
            try {
                const transaction = connection.transaction(STORE, mode, { durability: "strict" });
                let result = null;
                transaction.oncomplete = () => (result === null ? failed(null) : resolve(result.value));
                transaction.onabort = () => failed(transaction.error);
                work(transaction.objectStore(STORE), (value) => {
                    result = { value };
                });
            }
            catch (cause) {
                failed(cause);
            }
        });
    };
    const textOf = (value) => (typeof value === "string" ? value : null);
    return {
        sharedAs: `indexeddb:${database}`,
        read: (name) => transact("readonly", (store, done) => {
            const request = store.get(name);
            request.onsuccess = () => done(textOf(request.result));
        }),
        change: (name, decide) => transact("readwrite", (store, done) => {
            const request = store.get(name);
            request.onsuccess = () => {
                const text = decide(textOf(request.result));
                store.put(text, name);
                done(text);
            };
        }),
    };
}
