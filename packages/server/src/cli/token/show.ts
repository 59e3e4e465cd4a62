/** An explanation for the terminal and for programs. */
import type { Output, Tone } from "../output.ts";
import { pad, plural, printable, relative } from "../text.ts";
import type { Explained, Member } from "./explain.ts";

/** `null` for a time that no calendar has. */
function date(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString().replace(".000Z", "Z");
}

function documentOf(member: Member): object {
  const { name, value, meaning, word } = member;
  return {
    name,
    value,
    meaning: meaning?.says ?? null,
    source: meaning?.source ?? null,
    ...(word === null ? {} : { word }),
    ...(member.class === null ? {} : { class: member.class }),
    ...(member.at === null ? {} : { time: date(member.at) }),
  };
}

/** @param inside what an encrypted token holds, where it could be opened */
export function explanationDocument(explained: Explained, inside: Explained | null): object {
  return {
    kind: explained.kind,
    what: explained.what,
    verified: false,
    parts: explained.parts,
    header: explained.header.map(documentOf),
    claims: explained.claims?.map(documentOf) ?? null,
    by: explained.by,
    remarks: explained.remarks,
    ...(inside === null ? {} : { inside: explanationDocument(inside, null) }),
  };
}

const CLASS_TONES = { registered: "good", public: "strong", private: "doubtful" } as const;

function lines(members: readonly Member[], now: number, output: Output): readonly string[] {
  const names = Math.max(0, ...members.map(({ name }) => printable(name).length));
  return members.map(({ name, value, meaning, word, at, class: kind }) => {
    const time = at === null ? "" : `  ${date(at)} (${relative(at, now)})`;
    const told = [kind === null ? null : output.tone(CLASS_TONES[kind], kind), quiet(meaning?.says), quiet(word)];
    const shown = `${printable(JSON.stringify(value))}${time}`;
    const said = told.filter((part) => part !== null).join(output.tone("quiet", ": "));
    return `  ${output.tone("strong", pad(printable(name), names))}  ${shown}  ${said}`.trimEnd();
  });

  function quiet(text: string | null | undefined): string | null {
    return text === null || text === undefined ? null : output.tone("quiet", text);
  }
}

/** Each part under its name: what it is for, how long it is, what stands in it. */
function partsText(explained: Explained, now: number, output: Output): readonly string[] {
  const inside: Readonly<Record<string, readonly string[]>> = {
    header: lines(explained.header, now, output),
    payload: explained.claims === null ? [] : lines(explained.claims, now, output),
  };
  return explained.parts.flatMap(({ name, says, characters }) => {
    const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const told = output.tone("quiet", `${says}, ${plural(characters, "character")}`);
    return [`${output.tone("strong", title)}  ${told}`, ...(inside[name] ?? [])];
  });
}

const MARKS: Readonly<Record<"bad" | "doubtful", readonly [Tone, string]>> = {
  bad: ["bad", "✗"],
  doubtful: ["doubtful", "!"],
};

export function explanationText(explained: Explained, inside: Explained | null, now: number, output: Output): string {
  const { what, by, remarks } = explained;
  return [
    output.tone("strong", what),
    ...partsText(explained, now, output),
    printable(by),
    ...remarks.map(({ weight, says }) => output.tone(MARKS[weight][0], `${MARKS[weight][1]} ${says}`)),
    ...(inside === null
      ? [output.tone("quiet", "Not verified: mapae token verify says whether it is good.")]
      : ["", output.tone("strong", "Inside:"), explanationText(inside, null, now, output)]),
  ].join("\n");
}
