/** What a device is called and which class it is of, from what it says of itself. A label for people, never a check. */
import Bowser from "bowser";
import type { DeviceClass } from "../sessions/session.ts";

const CLASSES: Record<string, DeviceClass> = { desktop: "desktop", mobile: "mobile", tablet: "tablet" };
const NAME_LENGTH = 100;

export interface DeviceLabel {
  readonly name: string;
  readonly class: DeviceClass;
}

/** Control and formatting characters have no place in a label that others will read in a list. */
function clean(text: string): string {
  return [...text.replace(/\p{C}/gu, " ").trim()].slice(0, NAME_LENGTH).join("");
}

/** @param given the name that the app or the user chose, if any */
export function describeDevice(userAgent: string | null, given: string | null): DeviceLabel {
  const agent = userAgent?.slice(0, 512) ?? "";
  const chosen = given === null ? "" : clean(given);
  if (agent === "") return { name: chosen || "Unknown device", class: "other" };
  const { browser, os, platform } = Bowser.parse(agent);
  const seen = [browser.name, os.name].filter((part) => part !== undefined && part !== "").join(" on ");
  return {
    name: chosen || clean(seen) || clean(agent.split(/[\s/]/)[0] ?? "") || "Unknown device",
    class: CLASSES[platform.type ?? ""] ?? "other",
  };
}
