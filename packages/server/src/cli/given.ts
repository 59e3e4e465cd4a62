/** What a command was given, typed at the point of use: the parser hands over a bag of anything. */

export class Given {
  readonly #args: Readonly<Record<string, unknown>>;
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(args: Readonly<Record<string, unknown>>, options: Readonly<Record<string, unknown>>) {
    this.#args = args;
    this.#options = options;
  }

  /** A positional that the command cannot be called without. */
  required(name: string): string {
    const value = this.arg(name);
    if (value === undefined) throw new Error(`the table of commands has no <${name}> here`);
    return value;
  }

  arg(name: string): string | undefined {
    const value = this.#args[name];
    return typeof value === "string" ? value : undefined;
  }

  /** The rest of the positionals. */
  rest(name: string): readonly string[] {
    return strings(this.#args[name]);
  }

  text(name: string): string | undefined {
    const value = this.#options[name];
    return typeof value === "string" ? value : undefined;
  }

  /** An option that may stand several times. */
  texts(name: string): readonly string[] {
    return strings(this.#options[name]);
  }

  flag(name: string): boolean {
    return this.#options[name] === true;
  }
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
