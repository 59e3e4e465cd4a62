/** `mapae serve` with options (bin.ts takes a shorter way to the plain one). */
import type { Command } from "../context.ts";
import { serve } from "../serve.ts";

export const serveCommand: Command = ({ given, env }) => {
  const data = given.text("data");
  return serve(data === undefined ? env : { ...env, MAPAE_DATA: data });
};
