/**
 * Which addresses keys may be fetched from: `https:` anywhere, `http:` only on this machine. Whoever can change the answer
 * of a JWKS request can sign tokens, so the transport is part of the signature.
 */

const LOOPBACK_V4 = /^127(?:\.\d{1,3}){3}$/;

/** RFC 6761 §6.3: names under localhost never leave the machine. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || LOOPBACK_V4.test(hostname)
  );
}

/** What is wrong with an address for fetching keys, as the end of a sentence that starts with its name; null when nothing is. */
export function addressFault(text: string): string | null {
  if (!URL.canParse(text)) return "must be an absolute URL.";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") return "must not contain a user name or password.";
  if (url.hash !== "") return "must not have a fragment.";
  if (url.protocol === "https:") return null;
  if (url.protocol !== "http:") return "must be an https: URL.";
  return isLoopback(url.hostname) ? null : "must be an https: URL; http: is for loopback addresses only.";
}
