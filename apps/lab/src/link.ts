/**
 * A link between two processes: a small TCP proxy that counts bytes and can be cut, held or slowed, for everyone or for one
 * process alone.
 *
 *   server ──► link ──► store          cut: connections are reset, new ones too
 *                                      hold: bytes wait, connections stay (half-open)
 *                                      delay: every byte comes later by a constant time
 *
 * Who is calling is found by the caller's port in /proc, so that one server of several can be cut off from a store that
 * all of them reach at the same address.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Link {
  readonly port: number;
  /** Bytes so far, towards the target and back. */
  readonly bytes: number;
  /** Resets what is open and whatever comes, until `heal`. @param pid of one process alone */
  cut(pid?: number): void;
  /** Nothing goes through and nothing breaks, until `heal`. */
  hold(pid?: number): void;
  /** Every byte of connections opened from now on comes later by so many milliseconds. */
  delay(ms: number): void;
  heal(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  readonly pid: number | null;
}

type State = { readonly is: "whole" } | { readonly is: "cut" | "held"; readonly pid: number | undefined };

export async function openLink(target: number): Promise<Link> {
  const pairs = new Set<Pair>();
  let state: State = { is: "whole" };
  let delayMs = 0;
  let bytes = 0;
  const concerns = ({ pid }: Pair): boolean => state.is !== "whole" && (state.pid === undefined || state.pid === pid);

  const pass = (from: Socket, to: Socket, pair: Pair): void => {
    from.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      const write = (): void => {
        if (!to.write(chunk)) from.pause();
      };
      if (delayMs > 0) setTimeout(write, delayMs);
      else write();
      if (state.is === "held" && concerns(pair)) from.pause();
    });
    to.on("drain", () => {
      if (!(state.is === "held" && concerns(pair))) from.resume();
    });
  };

  const server = createServer({ noDelay: true }, (near) => {
    const pid = whose(near.remotePort ?? 0);
    const far = connect({ port: target, host: "127.0.0.1", noDelay: true });
    const pair: Pair = { near, far, pid };
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.on("error", end);
      socket.on("close", end);
    }
    pairs.add(pair);
    if (state.is === "cut" && concerns(pair)) {
      near.resetAndDestroy();
      return end();
    }
    pass(near, far, pair);
    pass(far, near, pair);
    if (state.is === "held" && concerns(pair)) near.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  return {
    port: (server.address() as AddressInfo).port,
    get bytes() {
      return bytes;
    },
    cut: (pid) => {
      state = { is: "cut", pid };
      for (const pair of [...pairs]) {
        if (!concerns(pair)) continue;
        pair.near.resetAndDestroy();
        pair.far.resetAndDestroy();
      }
    },
    hold: (pid) => {
      state = { is: "held", pid };
      for (const pair of pairs) {
        if (!concerns(pair)) continue;
        pair.near.pause();
        pair.far.pause();
      }
    },
    delay: (ms) => {
      delayMs = ms;
    },
    heal: () => {
      state = { is: "whole" };
      for (const { near, far } of pairs) {
        near.resume();
        far.resume();
      }
    },
    close: () => {
      for (const { near, far } of pairs) {
        near.destroy();
        far.destroy();
      }
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The process that has a local port open, by its socket in /proc; `null` where that cannot be told. */
function whose(port: number): number | null {
  const inode = inodeOf(port);
  if (inode === null) return null;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (Number(pid) !== process.pid && readlinkSync(`/proc/${pid}/fd/${fd}`) === inode) return Number(pid);
      }
    } catch {
      // Gone meanwhile, or not ours to look at.
    }
  }
  return null;
}

function inodeOf(port: number): string | null {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(suffix)) return `socket:[${fields[9]}]`;
  }
  return null;
}
