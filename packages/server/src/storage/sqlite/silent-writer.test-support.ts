/** A writer that commits its second group and dies before it says so. */
import { parentPort } from "node:worker_threads";

let replies = 0;
const reply = parentPort?.postMessage.bind(parentPort);
if (parentPort !== null && reply !== undefined) {
  parentPort.postMessage = (message: unknown) => {
    // The first message says that it is ready.
    replies += 1;
    if (replies === 3) process.exit(1);
    reply(message);
  };
}
await import("./writer.ts");
