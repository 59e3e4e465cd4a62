/** The kinds of text that requests carry, each with its bounds. A NUL or half a surrogate pair is in none of them. */
import { z } from "zod";
import { decodeCursor } from "../../prelude/page.ts";

function line(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be text without NUL characters");
}

export const identifier = line(1, 320).describe("an email address or a username");
/** As it comes. What may be *set* is the password rules' business: a long one is answered by them, with a reason. */
export const password = z.string().min(1);
/** One line: what breaks a line or rings a bell in a terminal has no place in a name. */
export const name = line(1, 200)
  .refine((text) => !/[\p{Cc}\u2028\u2029]/u.test(text), "must be one line without control characters")
  .nullable();
export const id = line(1, 200);
/** An encrypted token is longer than what it holds. */
export const token = z.string().min(1).max(16_384);
export const scope = z
  .string()
  .max(1000)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, "must be scopes separated by single spaces");
export const role = z.string().regex(/^[a-z][a-z0-9_:.-]{0,63}$/, "must be lower-case letters, digits and _ : . -");
export const url = line(1, 500);

/** The `next` of the page before. What was made up is refused here, and never reaches the store. */
function cursor(names: (id: string) => boolean) {
  return z
    .string()
    .max(400)
    .regex(/^[A-Za-z0-9_-]+$/)
    .refine((text) => names(decodeCursor(text)?.id ?? ""), "must be the `next` of the page before")
    .optional()
    .describe("`next` of the page before");
}

const limit = z.coerce.number().int().min(1).max(200).default(50);

/** Keyset paging, as every list takes it. */
export const page = { limit, after: cursor((id) => id !== "") };
/** The same for lists whose rows are numbered. */
export const numberedPage = { limit, after: cursor((id) => /^\d{1,15}$/.test(id)) };
