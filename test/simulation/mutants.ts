/**
 * Loads the simulation, and all of the product under it, once more with a fault planted (faults.ts). No product file knows
 * of it: the change is made to the source on its way into the loader, in a copy of the module graph whose addresses end in
 * `?fault=…`.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Fault } from "./faults.ts";

const ROOT = new URL("../../", import.meta.url);
const planted = new Map<string, Fault>();
let hooked = false;

/** What of the simulation is used with a fault. */
export type Simulation = typeof import("./simulate.ts");

/** @throws Error where the fault's line is not in its file exactly once: it must be planted anew */
export async function simulationWith(fault: Fault): Promise<Simulation> {
  const occurrences = readFileSync(new URL(fault.file, ROOT), "utf8").split(fault.line).length - 1;
  if (occurrences !== 1) {
    throw new Error(`"${fault.name}": its line stands ${occurrences} times in ${fault.file}: ${fault.line}`);
  }
  if (!hooked) hook();
  hooked = true;
  const id = String(planted.size);
  planted.set(id, fault);
  const address = new URL("simulate.ts", import.meta.url);
  address.searchParams.set("fault", id);
  return (await import(address.href)) as Simulation;
}

function hook(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const id = faultOf(context.parentURL);
      if (id === null || !resolved.url.startsWith(ROOT.href) || resolved.url.includes("/node_modules/"))
        return resolved;
      const address = new URL(resolved.url);
      address.searchParams.set("fault", id);
      return { ...resolved, url: address.href };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const fault = planted.get(faultOf(url) ?? "");
      if (fault === undefined || fileURLToPath(url) !== fileURLToPath(new URL(fault.file, ROOT))) return loaded;
      const source = readFileSync(fileURLToPath(url), "utf8");
      return { ...loaded, source: source.replace(fault.line, () => fault.instead) };
    },
  });
}

function faultOf(url: string | undefined): string | null {
  return url?.startsWith("file:") ? new URL(url).searchParams.get("fault") : null;
}
