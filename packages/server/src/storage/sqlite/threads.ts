/** Modules that run as threads. */

/** The address of a module in this folder, as source (`.ts`) and as emitted code (`.js`) alike. */
export function moduleBeside(name: "writer" | "copier"): URL {
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  return new URL(`./${name}${ending}`, import.meta.url);
}
