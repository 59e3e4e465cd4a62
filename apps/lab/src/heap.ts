/**
 * What a process holds in memory, after a forced collection: asked through its inspector (Chrome DevTools Protocol,
 * `HeapProfiler.collectGarbage`, `Runtime.getHeapUsage`), which SIGUSR1 opens. Resident memory would not tell: it holds what
 * was collected as well.
 */
import { setTimeout as later } from "node:timers/promises";

const OPENED_MS = 5_000;
const ANSWER_MS = 20_000;
/** What is let go in one collection can be found by the next. */
const COLLECTIONS = 3;

/** @param port where the process was told to open its inspector @returns bytes of the heap and of the buffers outside of it */
export async function heldBytes(pid: number, port: number): Promise<number> {
  const socket = new WebSocket(await inspectorOf(pid, port));
  try {
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    for (let turn = 0; turn < COLLECTIONS; turn += 1) await ask(socket, turn, "HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await ask(socket, COLLECTIONS, "Runtime.getHeapUsage");
    return Number(usedSize) + Number(backingStorageSize);
  } finally {
    socket.close();
  }
}

async function inspectorOf(pid: number, port: number): Promise<string> {
  process.kill(pid, "SIGUSR1");
  const until = performance.now() + OPENED_MS;
  for (;;) {
    const list = await fetch(`http://127.0.0.1:${port}/json/list`)
      .then((answer) => answer.json() as Promise<readonly { readonly webSocketDebuggerUrl?: string }[]>)
      .catch(() => []);
    const url = list[0]?.webSocketDebuggerUrl;
    if (url !== undefined) return url;
    if (performance.now() > until) throw new Error(`process ${pid} opened no inspector on port ${port}`);
    await later(50);
  }
}

function ask(socket: WebSocket, id: number, method: string): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${method} was not answered`)), ANSWER_MS);
    const heard = ({ data }: MessageEvent): void => {
      const answer = JSON.parse(String(data)) as { readonly id?: number; readonly result?: Record<string, unknown> };
      if (answer.id !== id) return;
      clearTimeout(late);
      socket.removeEventListener("message", heard);
      resolve(answer.result ?? {});
    };
    socket.addEventListener("message", heard);
    socket.send(JSON.stringify({ id, method }));
  });
}
