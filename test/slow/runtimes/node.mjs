/** Runs the suite on the Node that runs this file, against the host whose address is the argument; one line of JSON. */
import { run } from "./suite.mjs";

const results = await run(process.argv[2]);
process.stdout.write(JSON.stringify(results));
