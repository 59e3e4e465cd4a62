/** Turns: pieces of work of one name run one after the other, within this process. A failed one does not stop the next. */
const last = new Map();
export function inTurn(name, work) {
    const mine = (last.get(name) ?? Promise.resolve()).then(work, work);
    last.set(name, mine);
    const done = () => {
        if (last.get(name) === mine)
            last.delete(name);
    };
    mine.then(done, done);
    return mine;
}
