/** An explanation for the terminal and for programs. */
import type { Output } from "../output.ts";
import { pad, printable, relative } from "../text.ts";
import type { Explanation, Member } from "./explain.ts";

type Explained = Extract<Explanation, { ok: true }>;

/** `null` for a time that no calendar has. */
function date(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString().replace(".000Z", "Z");
}

function documentOf(member: Member): object {
  const { name, value, meaning } = member;
  return {
    name,
    value,
    meaning: meaning?.says ?? null,
    source: meaning?.source ?? null,
    ...(member.class === null ? {} : { class: member.class }),
    ...(member.at === null ? {} : { time: date(member.at) }),
  };
}

export function explanationDocument(explained: Explained): object {
  return {
    kind: explained.kind,
    verified: false,
    header: explained.header.map(documentOf),
    claims: explained.claims?.map(documentOf) ?? null,
    remarks: explained.remarks,
  };
}

function block(title: string, members: readonly Member[], now: number, output: Output): readonly string[] {
  const names = Math.max(0, ...members.map(({ name }) => printable(name).length));
  const lines = members.map(({ name, value, meaning, at, class: kind }) => {
    const time = at === null ? "" : `  ${date(at)} (${relative(at, now)})`;
    const told = [kind, meaning?.says].filter((part) => part !== null && part !== undefined).join(": ");
    const shown = `${printable(JSON.stringify(value))}${time}`;
    return `  ${output.tone("strong", pad(printable(name), names))}  ${shown}  ${output.tone("quiet", told)}`.trimEnd();
  });
  return [output.tone("strong", title), ...lines];
}

export function explanationText(explained: Explained, now: number, output: Output): string {
  const { header, claims, remarks } = explained;
  return [
    ...block("Header", header, now, output),
    ...(claims === null ? [] : block("Claims", claims, now, output)),
    ...remarks.map((remark) => output.tone("doubtful", `! ${remark}`)),
    output.tone("quiet", "Not verified: mapae token verify says whether it is good."),
  ].join("\n");
}
