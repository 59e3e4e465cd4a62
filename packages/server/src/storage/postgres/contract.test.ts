import { after } from "node:test";
import { startPostgres, withoutPostgres } from "../../../../../test/components/postgres.ts";
import { describeStorage } from "../contract/contract.ts";
import { openPostgres } from "./postgres.ts";

const skip = withoutPostgres();
if (skip === false) {
  // What a crash leaves is not asked here.
  const postgres = await startPostgres({ settings: { fsync: "off" } });
  if (postgres === null) throw new Error("PostgreSQL did not start");
  after(() => postgres.remove());
  describeStorage("postgres", async (world) =>
    openPostgres(
      { url: await postgres.schema(), password: null, connections: 10, timeoutMs: 20_000, clock: world.clock },
      world,
    ),
  );
}
