/**
 * The decisions of a move, held against a model of both ends: whatever is broken off, killed, started by mistake or undone
 * in between, an installation is never served at two places, and running it again comes to its end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { MoveRecord } from "../postgres/moved.ts";
import type { MoveMark } from "../sqlite/moved.ts";
import { courseOf, type Occupancy, undoCourseOf } from "./situation.ts";

const HOME = "this installation";

/** Both ends as they are stored; rows are a version of what is in them. */
class Model {
  version = 0;
  mark: MoveMark | null = null;
  record: MoveRecord | null = null;
  /** What the target's rows are a copy of; `null`: they are not all there. */
  copied: number | null = null;
  /** Whether the target's rows have been changed since. */
  changed = false;
  state = false;
  #moves = 0;

  get occupancy(): Occupancy {
    if (this.state) return { kind: "installation", installation: HOME, record: this.record };
    return this.record === null ? { kind: "empty" } : { kind: "unserved", record: this.record };
  }

  get sourceServes(): boolean {
    return this.mark?.gone !== true;
  }
  get targetServes(): boolean {
    return this.state;
  }

  /** What a move does, one durable step after the other. */
  *move(): Generator<void, string> {
    const course = courseOf({ installation: HOME, mark: this.mark }, this.occupancy);
    if (course.go === "refuse") return course.why;
    if (course.go === "nothing") return "nothing";
    if (course.go === "begin") {
      this.#moves += 1;
      const move = `move ${this.#moves}`;
      this.mark = { move, target: "there", at: 0, gone: false };
      yield;
      this.record = {
        move,
        installation: HOME,
        source: "here",
        state: "filling",
        begunAt: 0,
        doneAt: null,
        usedAt: null,
      };
      this.copied = null;
      yield;
    }
    assert.ok(this.mark !== null && this.record?.move === this.mark.move);
    // What was carried over before must be of the same rows.
    assert.ok(this.copied === null || this.copied === this.version);
    this.copied = this.version;
    yield;
    this.mark = { ...this.mark, gone: true };
    yield;
    this.record = { ...this.record, state: "done", doneAt: 0 };
    this.state = true;
    return "moved";
  }

  *undo(): Generator<void, string> {
    const course = undoCourseOf({ installation: HOME, mark: this.mark }, this.occupancy);
    if (course.go === "refuse") return course.why;
    if (course.compares && this.changed) return "used";
    if (course.empties) {
      assert.ok(this.record !== null && !this.changed);
      this.record = { ...this.record, state: "emptied", doneAt: null };
      this.state = false;
      this.copied = null;
      yield;
    }
    this.mark = null;
    return "undone";
  }

  /** A program opens the file, if it may, and writes. */
  useSource(): void {
    if (!this.sourceServes) return;
    this.mark = null;
    this.version += 1;
  }

  /** A program opens the target, if it may. */
  openTarget(): void {
    if (!this.targetServes || this.record === null) return;
    this.record = { ...this.record, usedAt: (this.record.usedAt ?? 0) + 1 };
  }

  useTarget(): void {
    if (!this.targetServes) return;
    this.openTarget();
    this.changed = true;
  }
}

function run(work: Generator<void, string>, steps = Number.POSITIVE_INFINITY): string {
  for (let step = 0; step < steps; step += 1) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
  return "broken off";
}

const action = fc.oneof(
  fc.record({ does: fc.constantFrom("move" as const, "undo" as const), steps: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    does: fc.constantFrom("useSource" as const, "openTarget" as const, "useTarget" as const),
    steps: fc.constant(1),
  }),
);

test("an installation is never served at two places, and used at one it is never served at the other again", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 14 }), (actions) => {
      const model = new Model();
      for (const { does, steps } of actions) {
        if (does === "move" || does === "undo") run(model[does](), steps);
        else model[does]();
        assert.ok(!(model.sourceServes && model.targetServes), "served at two places");
        if (model.targetServes) assert.equal(model.copied, model.version, "what is served is a copy of the last rows");
        if (model.changed) assert.ok(model.targetServes && !model.sourceServes, "used, and still there");
      }
      const used = model.changed;
      assert.match(run(model.move()), used ? /^nothing$/ : /^(moved|nothing)$/);
      assert.ok(model.targetServes);
      assert.equal(run(model.undo()), used ? "used" : "undone");
      assert.equal(model.sourceServes, !used);
    }),
    { numRuns: 2_000 },
  );
});

const RECORD: MoveRecord = {
  ...{ move: "m", installation: HOME, source: "here", state: "filling" },
  ...{ begunAt: 0, doneAt: null, usedAt: null },
};
const MARK: MoveMark = { move: "m", target: "there", at: 0, gone: false };
const none = { installation: HOME, mark: null };

test("nothing is moved over what is not this move's", () => {
  const refused = (source: Parameters<typeof courseOf>[0], target: Occupancy): string => {
    const course = courseOf(source, target);
    return course.go === "refuse" ? course.why : course.go;
  };
  const other = { ...RECORD, installation: "another" };
  assert.equal(refused(none, { kind: "foreign" }), "foreign");
  assert.equal(refused(none, { kind: "partial" }), "partial");
  assert.equal(refused(none, { kind: "installation", installation: "another", record: null }), "occupied");
  assert.equal(refused(none, { kind: "installation", installation: HOME, record: null }), "arrived");
  assert.equal(refused(none, { kind: "unserved", record: other }), "taken");
  const gone = { installation: HOME, mark: { ...MARK, gone: true } };
  assert.equal(refused(gone, { kind: "empty" }), "gone");
  assert.equal(refused(gone, { kind: "unserved", record: { ...RECORD, move: "other" } }), "gone");
  assert.equal(refused(gone, { kind: "unserved", record: { ...RECORD, move: "other", state: "emptied" } }), "gone");
});

test("what an undone move left takes any installation's", () => {
  const emptied: Occupancy = { kind: "unserved", record: { ...RECORD, installation: "another", state: "emptied" } };
  assert.deepEqual(courseOf(none, emptied), { go: "begin", again: false });
});

test("nothing is undone at an address that the installation did not go to", () => {
  const gone = { installation: HOME, mark: { ...MARK, gone: true } };
  const elsewhere: Occupancy = { kind: "unserved", record: { ...RECORD, move: "other" } };
  assert.deepEqual(undoCourseOf(gone, elsewhere), { go: "refuse", why: "elsewhere" });
  assert.deepEqual(undoCourseOf(gone, { kind: "empty" }), { go: "refuse", why: "elsewhere" });
  assert.deepEqual(undoCourseOf(none, { kind: "empty" }), { go: "refuse", why: "nothing" });
  const others: Occupancy = { kind: "installation", installation: "another", record: null };
  assert.deepEqual(undoCourseOf(none, others), { go: "refuse", why: "nothing" });
  // A mark of a move that left nothing there goes without touching what is there.
  assert.deepEqual(undoCourseOf({ installation: HOME, mark: MARK }, others), {
    go: "undo",
    empties: false,
    compares: false,
  });
});
