/** What a command works with, and the shape of a command. */
import type { Config } from "../settings/config.ts";
import type { Operator } from "./connection.ts";
import type { Given } from "./given.ts";
import type { Output } from "./output.ts";
import type { Keyboard } from "./prompt.ts";

export interface Context {
  readonly given: Given;
  readonly output: Output;
  readonly keyboard: Keyboard;
  readonly env: NodeJS.ProcessEnv;
  /** The settings of the environment, with `--data` in place of MAPAE_DATA. Throws `CommandFailed`. */
  config(): Config;
  /** Connects, works, and lets go again; nothing may be asked of a person in between. */
  operate<T>(work: (operator: Operator) => Promise<T>): Promise<T>;
}

/** Resolves to the exit code; an expected failure is a thrown `CommandFailed`. */
export type Command = (context: Context) => Promise<number>;
