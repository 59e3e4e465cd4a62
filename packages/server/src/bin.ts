#!/usr/bin/env node
/** The program `mapae`. Keeps compiled code between starts; `serve` loads nothing of the other commands. */
import { enableCompileCache } from "node:module";

enableCompileCache();
if (process.argv[2] === "serve" && process.argv.length === 3) {
  const { serve } = await import("./cli/serve.ts");
  process.exitCode = await serve(process.env);
} else {
  const { main } = await import("./cli/main.ts");
  process.exitCode = await main(process.argv.slice(2));
}
