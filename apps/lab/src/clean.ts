/** What must be ended when it is over, in the reverse order; whatever happened in between. */
export class Clean {
  readonly #tasks: (() => unknown)[] = [];

  after(task: () => unknown): void {
    this.#tasks.push(task);
  }

  async up(): Promise<void> {
    for (let task = this.#tasks.pop(); task !== undefined; task = this.#tasks.pop()) {
      try {
        await task();
      } catch (error) {
        process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
  }
}
