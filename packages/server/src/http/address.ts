/**
 * Whose request is it: the address that counts for limits and the audit. Forwarding headers are believed only from the
 * proxies that the operator named; each names the hop before it, so the chain is walked from the right until the first
 * address that is no proxy of ours (RFC 7239 §5.2; RFC 9700 §4.13).
 */
import { BlockList, isIP } from "node:net";
import type { HeaderReader } from "./incoming.ts";

export interface AddressReader {
  /** @param peer the address of the connection; `null` where it is not known (mounted in another server) */
  clientOf(peer: string | null, headers: HeaderReader): string | null;
}

/** Whether a text is an address or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, more] = text.split("/");
  const longest = isIP(address) === 6 ? 128 : 32;
  if (isIP(address) === 0 || address.includes("%") || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest);
}

/** @param trusted proxies, each an `isNetwork` */
export function createAddressReader(trusted: readonly string[]): AddressReader {
  const proxies = new BlockList();
  for (const network of trusted) {
    const [address = "", bits] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(bits), family);
  }
  const isProxy = (address: string): boolean => proxies.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

  return {
    clientOf: (peer, headers) => {
      let client = plain(peer ?? "");
      if (client === null || trusted.length === 0 || !isProxy(client)) return client;
      const hops = (headers.get("x-forwarded-for") ?? "").split(",").reverse();
      for (const hop of hops) {
        const address = plain(hop.trim());
        if (address === null) break;
        client = address;
        if (!isProxy(address)) break;
      }
      return client;
    },
  };
}

/** An address in its plain form (`::ffff:1.2.3.4` is 1.2.3.4), or `null` where the text is none. */
function plain(text: string): string | null {
  const address = text.replace(/^\[|\](:\d+)?$/g, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(address) === 0 ? null : address;
}

/** What limits count by: an IPv4 address, or the /64 that one subscriber has of IPv6. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

export function isLoopbackAddress(address: string | null): boolean {
  return address !== null && (address === "::1" || /^127\./.test(address));
}
