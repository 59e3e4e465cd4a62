/** What can be read anywhere: a Blob, an open file. Opening reads it twice; sealing may read it once, in order. */

export interface Seekable {
  /** In octets. */
  readonly size: number;
  /**
   * Exactly so many octets, or fewer where the file has ended meanwhile. They need be good only until the third read after
   * this one, so that a reader may use its buffers again.
   */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** A Blob or File of a browser, or of `fs.openAsBlob`. */
export function seekableBlob(blob: Blob): Seekable {
  return {
    size: blob.size,
    read: async (at, length) => new Uint8Array(await blob.slice(at, at + length).arrayBuffer()),
  };
}

/** As much of Node's `FileHandle` as is needed. */
export interface ReadHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

/** Those in use, and one being filled. */
const BUFFERS = 4;

/**
 * An open file of Node, from `fs.promises.open`.
 * @param size from its `stat`
 */
export function seekableHandle(handle: ReadHandle, size: number): Seekable {
  const buffers: Uint8Array[] = [];
  let turn = 0;
  return {
    size,
    async read(at, length) {
      turn = (turn + 1) % BUFFERS;
      let buffer = buffers[turn];
      if (buffer === undefined || buffer.length < length) {
        buffer = new Uint8Array(length);
        buffers[turn] = buffer;
      }
      let got = 0;
      while (got < length) {
        const { bytesRead } = await handle.read(buffer, got, length - got, at + got);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      return buffer.subarray(0, got);
    },
  };
}

/**
 * All of it in order, for sealing; the next octets are read while the last are worked on.
 * @throws Error where the file became shorter meanwhile
 */
export async function* octetsOf(source: Seekable, step = 1024 * 1024): AsyncGenerator<Uint8Array> {
  const readAt = (at: number) => {
    const reading = source.read(at, Math.min(step, source.size - at));
    // Whoever waits for it is told; until then nobody has to handle it.
    reading.catch(() => undefined);
    return reading;
  };
  let next = source.size > 0 ? readAt(0) : null;
  for (let at = 0; next !== null; ) {
    const octets: Uint8Array = await next;
    if (octets.length === 0) throw new Error("The file became shorter while it was read.");
    at += octets.length;
    next = at < source.size ? readAt(at) : null;
    yield octets;
  }
}
