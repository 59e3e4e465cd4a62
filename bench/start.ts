/**
 * Starting, and memory: from the spawn of the server's process to its first answer of /readyz, on its second start (the
 * first one fills the compile cache and makes the database); resident memory at rest, and after ten thousand log-ins.
 */
import { median, type Report } from "./harness.ts";
import { Connection } from "./load.ts";
import { logIn, PASSWORD, startLoginServer, temporaryFolder } from "./login-server.ts";

const STARTS = 7;
const LOG_INS = 10_000;
const CONNECTIONS = 4;
const REST_MS = 3000;

export async function run(report: Report, options: { readonly args: readonly string[] }): Promise<void> {
  const logIns = Number(options.args.find((word) => word.startsWith("--log-ins="))?.slice(10) ?? LOG_INS);
  const data = await temporaryFolder();
  // A cache of its own: what this bench fills is what a second start finds.
  const settings = { NODE_COMPILE_CACHE: `${data}/compile-cache` };
  const first = await startLoginServer(data, settings);
  await first.stop();
  const times: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    const server = await startLoginServer(data, settings);
    times.push(server.startedIn);
    await server.stop();
  }
  const row = (metric: string, value: number, unit: string, runs: number) =>
    report({ case: "second start", subject: "mapae", metric, value, unit, runs });
  report({ case: "first start", subject: "mapae", metric: "to ready", value: first.startedIn, unit: "ms", runs: 1 });
  row("to ready", median(times), "ms", STARTS);

  const server = await startLoginServer(data, settings);
  try {
    await rest();
    const idle = await server.residentMb();
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(server.port)));
    const [leader] = connections;
    if (leader === undefined) throw new Error("no connection");
    await logIn(leader, "memory");
    const json = JSON.stringify({ identifier: "memory", password: PASSWORD });
    let left = logIns;
    await Promise.all(
      connections.map(async (connection) => {
        while (left > 0) {
          left -= 1;
          if (left % 1000 === 0) process.stderr.write(`bench: ${left} log-ins to go\n`);
          const answer = await connection.send("POST", "/v1/sessions", { json });
          if (answer.status !== 201) throw new Error(`log-in answered ${answer.status}`);
        }
      }),
    );
    await rest();
    const after = await server.residentMb();
    const memory = (metric: string, value: number) =>
      report({ case: `${logIns} log-ins`, subject: "mapae", metric, value, unit: "MB", runs: 1 });
    memory("resident at rest", idle);
    memory("resident after", after);
    memory("more", after - idle);
  } finally {
    await server.stop();
  }
}

function rest(): Promise<void> {
  return new Promise((wake) => setTimeout(wake, REST_MS));
}
