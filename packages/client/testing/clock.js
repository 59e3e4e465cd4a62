/** One turn of the event loop, with everything that promises have to do in it. */
export function turn() {
    return new Promise((resolve) => setImmediate(resolve));
}
export function testClock(start = Date.UTC(2026, 0, 1)) {
    let wall = start;
    let monotonic = 1000;
    const sleepers = new Set();
    const advance = (ms) => {
        wall += ms;
        monotonic += ms;
        for (const sleeper of [...sleepers].sort((a, b) => a.due - b.due))
            if (sleeper.due <= monotonic)
                sleeper.wake();
    };
    return {
        now: () => wall,
        monotonic: () => monotonic,
        sleep: (ms, signal) => new Promise((resolve, reject) => {
            if (signal?.aborted) {
                reject(signal.reason);
                return;
            }
            const end = (settle) => () => {
                sleepers.delete(sleeper);
                signal?.removeEventListener("abort", aborted);
                settle();
            };
            const aborted = () => end(() => reject(signal?.reason))();
            const sleeper = { due: monotonic + ms, wake: end(resolve) };
            sleepers.add(sleeper);
            signal?.addEventListener("abort", aborted, { once: true });
        }),
        advance,
        setWall: (ms) => {
            wall = ms;
        },
        suspend: (ms) => {
            wall += ms;
        },
        run: async (work) => {
            let settled = false;
            const end = () => {
                settled = true;
            };
            work.then(end, end);
            for (let quiet = 0; !settled; quiet += 1) {
                await turn();
                if (quiet < 20 || settled)
                    continue;
                const next = Math.min(...[...sleepers].map((sleeper) => sleeper.due));
                if (Number.isFinite(next))
                    advance(Math.max(0, next - monotonic));
                quiet = 0;
            }
            return work;
        },
    };
}
/** A promise that the test settles itself. (Promise.withResolvers came with Node 22.) */
export function deferred() {
    let resolve = () => { };
    const promise = new Promise((settle) => {
        resolve = settle;
    });
    return { promise, resolve };
}
