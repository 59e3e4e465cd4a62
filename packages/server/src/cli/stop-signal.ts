/** The end of a program that runs until it is told to stop: SIGTERM or SIGINT once, politely; a second one ends it at once. */
import { exitCode } from "./exit.ts";

/** Resolves to the signal's name. */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(exitCode("failed")));
        resolve(signal);
      });
    }
  });
}
