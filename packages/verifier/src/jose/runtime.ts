/**
 * The one place that reaches for Node's built-in modules, in a way that a browser tolerates: a static import of
 * `node:crypto` would keep the whole module graph from loading there.
 *
 * `nodeCrypto` is null where there is no node:crypto; webcrypto.ts is then the only engine.
 */

interface MaybeNode {
  readonly process?: { readonly getBuiltinModule?: (id: "node:crypto") => typeof import("node:crypto") | undefined };
}

const globals: MaybeNode = globalThis;

/** Node 20.16, 22.3 and later, Deno and Bun: `process.getBuiltinModule`. */
export const nodeCrypto = globals.process?.getBuiltinModule?.("node:crypto") ?? null;

/** True where `Buffer` is Node's own, whose conversions run at the speed of memory. */
export const hasBuffer = nodeCrypto !== null && typeof Buffer === "function";
