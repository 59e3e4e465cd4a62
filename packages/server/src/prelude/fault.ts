/**
 * Faults are ours and are thrown; refusals are expected and are returned. A fault says whether trying again can help.
 */

/** The store (or what it stands on) could not do its work now; nothing was acknowledged, and trying again may help. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  readonly retryAfter: number;

  /** @param retryAfter seconds after which another attempt makes sense */
  constructor(message: string, options: { retryAfter?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfter = options.retryAfter ?? 1;
  }
}

/** The server cannot start as configured. The message is the one clear line that the operator reads. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
  /** It may start later, with nothing changed. */
  readonly passes: boolean;

  constructor(message: string, { passes = false }: { passes?: boolean } = {}) {
    super(message);
    this.passes = passes;
  }
}
