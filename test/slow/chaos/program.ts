/** A program that says where it answers, and can be stopped in every way. */
import { type ChildProcess, spawn } from "node:child_process";
import { environment, FLAGS } from "../../processes.ts";

const START_MS = 60_000;

export class Program {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** @param env settings; of the tester's environment it gets what programs need to run */
  static start(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<Program> {
    const child = spawn(process.execPath, [...FLAGS, ...args], {
      cwd,
      env: environment(env),
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`${args[0]} did not start in time\n${told}`));
      }, START_MS);
      child.once("exit", (code, signal) => {
        clearTimeout(late);
        reject(new Error(`${args[0]} ended with ${code ?? signal}\n${told}`));
      });
      child.stderr?.setEncoding("utf8").on("data", (more: string) => {
        told += more;
        const url = /ready at (http:\/\/localhost:\d+)/.exec(told)?.[1];
        if (url === undefined) return;
        clearTimeout(late);
        resolve(new Program(child, url));
      });
    });
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGUSR2"): void {
    this.#child.kill(signal);
  }

  end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    return new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.kill("SIGCONT");
      child.kill(signal);
    });
  }
}
