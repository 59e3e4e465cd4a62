/** How a command ends: the table of exit codes, and the failure that carries one to the door (main.ts). */

export const EXIT_CODES = {
  ok: { code: 0, says: "Done." },
  failed: { code: 1, says: "Refused or failed: the line on stderr says why. Nothing was changed, unless it says so." },
  usage: { code: 2, says: "The command line or a setting is wrong: nothing was tried." },
  notFound: { code: 3, says: "What was named does not exist." },
  notFromSender: { code: 3, says: "`open`, `receipt`: discarded, it is not from the named sender." },
  unconfirmed: { code: 4, says: "Done, but not confirmed in the time given: it is on its way." },
  notForMe: { code: 4, says: "`open`, `receipt`: discarded, it is not for me or was altered." },
  seenBefore: { code: 5, says: "`open`: discarded, it was seen before." },
  tryAgain: { code: 75, says: "Not possible now: the server or its store is busy. Try again (EX_TEMPFAIL)." },
  interrupted: { code: 130, says: "Interrupted, at a prompt or while moving (128 + SIGINT)." },
} as const;

export type ExitName = keyof typeof EXIT_CODES;

export function exitCode(name: ExitName): number {
  return EXIT_CODES[name].code;
}

/** A command that cannot go on. The message is one line for the operator; it holds no secret. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string) {
    super(message);
    this.exit = exit;
  }
}
