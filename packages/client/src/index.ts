/**
 * `@mapae/client`: gets, keeps and renews tokens without ever racing itself, in browsers and in Node.
 *
 *   const client = createClient({ server: "https://login.example.com" });
 *   await client.signIn({ identifier, password });
 *   await client.fetch("https://login.example.com/v1/me");
 */
export type { ChangePassword, NotSignedIn, Refused, SessionLimited, SignIn, SignUp } from "./account.ts";
export type { Problem } from "./answer.ts";
export { type Client, type ClientEvents, type ClientOptions, createClient, type SignedIn } from "./client.ts";
export { END_REASONS, type EndReason, type Session, type SignedOut, type User } from "./document.ts";
export type { SignOutResult } from "./farewell.ts";
export { ClientFault, FAULTS, type FaultCode } from "./faults.ts";
export type { Access } from "./keeper.ts";
export { browserStorage, type ClientStorage, memoryStorage } from "./storage.ts";
export type { Fetch, Mode } from "./wire.ts";
export { type Clock, type Random, systemClock, systemRandom } from "./world.ts";
