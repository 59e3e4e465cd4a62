/** The kinds of text that requests carry, each with its bounds. A NUL or half a surrogate pair is in none of them. */
import { z } from "zod";

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
export const name = line(1, 200).nullable();
export const id = line(1, 200);
export const token = z.string().min(1).max(8192);
export const scope = z
  .string()
  .max(1000)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, "must be scopes separated by single spaces");
export const role = z.string().regex(/^[a-z][a-z0-9_:.-]{0,63}$/, "must be lower-case letters, digits and _ : . -");
export const url = line(1, 500);

/** Keyset paging, as every list takes it. */
export const page = {
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: z
    .string()
    .max(400)
    .regex(/^[A-Za-z0-9_-]+$/)
    .optional()
    .describe("`next` of the page before"),
};
