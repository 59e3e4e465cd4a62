/** Client credentials in the Authorization header: HTTP Basic, whose two parts are form-encoded (RFC 6749 §2.3.1, RFC 7617). */

export interface ClientCredentials {
  readonly id: string;
  readonly secret: string;
}

const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** `null` for anything else than one well-formed pair. */
export function readBasic(authorization: string | null): ClientCredentials | null {
  const encoded = BASIC.exec(authorization ?? "")?.[1];
  if (encoded === undefined) return null;
  try {
    const pair = utf8.decode(Buffer.from(encoded, "base64"));
    const colon = pair.indexOf(":");
    if (colon < 0) return null;
    const [id, secret] = [formDecode(pair.slice(0, colon)), formDecode(pair.slice(colon + 1))];
    return id === "" || secret === "" ? null : { id, secret };
  } catch {
    return null;
  }
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}
