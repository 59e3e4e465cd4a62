/**
 * The outside world as an argument: clocks and randomness come in here, so that a test stops the clock instead of
 * sleeping and puts a lost reply an hour into the past.
 */
/** setTimeout takes a signed 32-bit number of milliseconds and runs at once above it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
export const systemClock = {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: (ms, signal) => new Promise((resolve, reject) => {
        if (signal?.aborted) {
            reject(signal.reason);
            return;
        }
        const aborted = () => {
            clearTimeout(timer);
            reject(signal?.reason);
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener("abort", aborted);
            resolve();
        }, Math.min(ms, LONGEST_TIMER_MS));
        signal?.addEventListener("abort", aborted, { once: true });
    }),
};
export const systemRandom = {
    uuid: () => crypto.randomUUID(),
    fraction: () => Math.random(),
};
export function instant(clock) {
    return { wall: clock.now(), monotonic: clock.monotonic() };
}
/**
 * Milliseconds between two moments: the larger of what the two clocks say. The monotonic one may stand still in a
 * machine's sleep, the wall clock may be set back; neither can make a token look younger than it is. A wall clock set
 * forward makes it look older, which costs one refresh.
 */
export function elapsed(since, until) {
    return Math.max(0, until.wall - since.wall, until.monotonic - since.monotonic);
}
