import { ClientFault } from "./faults.js";
import { backoffMs } from "./refresh.js";
import { elapsed, instant } from "./world.js";
export function watchOutage(clock, random, patienceMs) {
    let state = { since: instant(clock), waitMs: 0, failures: 0, fault: new ClientFault("unavailable") };
    const waitMs = () => Math.max(0, state.waitMs - elapsed(state.since, instant(clock)));
    const patience = (since) => Math.max(0, patienceMs - elapsed(since, instant(clock)));
    return {
        waitMs,
        failed: ({ status, problem, retryAfterMs, cause }) => {
            const failures = state.failures + 1;
            const server = status === 0 ? undefined : { status, code: problem?.code ?? null };
            state = {
                since: instant(clock),
                waitMs: backoffMs(failures, retryAfterMs, random.fraction()),
                failures,
                fault: new ClientFault("unavailable", { cause, server, retryAfterMs }),
            };
        },
        over: () => {
            state = { since: instant(clock), waitMs: 0, failures: 0, fault: new ClientFault("unavailable") };
        },
        pause: async (since, signal) => {
            const due = waitMs();
            const left = patience(since);
            await clock.sleep(Math.min(due, left), signal);
            if (due >= left)
                throw state.fault;
        },
        within: async (work, since, signal) => {
            const settled = new AbortController();
            const either = signal === undefined ? settled.signal : AbortSignal.any([signal, settled.signal]);
            const end = clock.sleep(patience(since), either).then(() => {
                throw state.fault;
            });
            try {
                return await Promise.race([work, end]);
            }
            finally {
                settled.abort();
            }
        },
    };
}
