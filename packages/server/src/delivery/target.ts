/**
 * Where this server may call. Addresses of webhooks are typed by administrators, those of event streams by their
 * receivers, and both are called from inside the network: without bounds that would be a way to reach what they cannot
 * (server-side request forgery, OWASP ASVS 5.0 §1.3.6). So only addresses of the public internet are called, unless the
 * operator of the machine allows more.
 *
 * A name is judged by what it resolves to at the moment of connecting (call.ts), and the connection goes to the very
 * address that was judged: a name that resolves otherwise a second time gains nothing.
 */
import { BlockList, isIP } from "node:net";

/** RFC 6890 and its successors in the IANA registry: what is no one's address on the public internet. */
const SPECIAL: readonly string[] = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"],
  ...["224.0.0.0/4", "240.0.0.0/4"],
  // Of 2000::/3, beside which nothing of IPv6 is public: protocol assignments (Teredo too), documentation, 6to4.
  ...["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"],
];
const GLOBAL_IPV6 = "2000::/3";

function blockList(networks: readonly string[]): BlockList {
  const made = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) made.addAddress(address, family);
    else made.addSubnet(address, Number(bits), family);
  }
  return made;
}

const special = blockList(SPECIAL);
const globalIpv6 = blockList([GLOBAL_IPV6]);

/** Whether a connection to an IP address may be made. */
export type MayReach = (address: string) => boolean;

/** @param allowed addresses and networks that may be reached although they are private */
export function createReach(allowed: readonly string[]): MayReach {
  const more = blockList(allowed);
  return (address) => {
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (isIP(address) === 0) return false;
    if (more.check(address, family)) return true;
    if (special.check(address, family)) return false;
    // IPv4 in IPv6 (::ffff:0:0/96, 64:ff9b::/96) lies outside of 2000::/3 as well.
    return family === "ipv4" || globalIpv6.check(address, "ipv6");
  };
}

/** Whether the host of an address is this machine by its spelling. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** What is wrong with an address, as it continues "the URL …"; `null`: nothing that can be seen without a look-up. */
export function faultOfTarget(text: string, mayReach: MayReach): string | null {
  if (!URL.canParse(text)) return "is not an absolute address";
  const url = new URL(text);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
    return "must begin with https: (http: on loopback only)";
  }
  if (url.username !== "" || url.password !== "") return "must not carry a user name or a password";
  if (url.hash !== "") return "must not have a fragment";
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(literal) !== 0 && !mayReach(literal)) return "names a private address";
  return null;
}
