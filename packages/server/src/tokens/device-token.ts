/**
 * The device token: says that this browser or installation has logged in to this account before. It opens nothing by
 * itself. It lets the device past the account's throttle, so that nobody can lock a victim out by guessing, and it
 * proves the same client in the refresh rule.
 *
 *   version 1 ‖ MAC-key id 4 ‖ device id 26 ‖ tag of the user 16 ‖ HMAC-SHA-256 over all before it 32
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { asId, type DeviceId, type UserId } from "../prelude/ids.ts";
import type { Vault } from "../vault/vault.ts";

const VERSION = 1;
const DEVICE_AT = 5;
const USER_AT = 31;
const BODY = 47;
const LENGTH = BODY + 32;
const TEXT = /^[A-Za-z0-9_-]{106}$/;
const DOMAIN = "mapae device token";

export interface KnownDevice {
  readonly device: DeviceId;
  isOf(user: UserId): boolean;
}

function mac(key: Buffer, body: Buffer): Buffer {
  return createHmac("sha256", key).update(DOMAIN).update(body).digest();
}

function tagOf(user: UserId): Buffer {
  return createHash("sha256")
    .update(user)
    .digest()
    .subarray(0, BODY - USER_AT);
}

export function formatDeviceToken(device: DeviceId, user: UserId, vault: Vault): string {
  const key = vault.current("device-mac");
  const token = Buffer.alloc(LENGTH);
  token.writeUInt8(VERSION, 0);
  token.writeUInt32BE(key.id, 1);
  token.write(device, DEVICE_AT, "latin1");
  tagOf(user).copy(token, USER_AT);
  mac(key.key, token.subarray(0, BODY)).copy(token, BODY);
  return token.toString("base64url");
}

/** Reads a token back; `undefined` for anything that this server did not make. */
export function readDeviceToken(text: string | null, vault: Vault): KnownDevice | undefined {
  if (text === null || !TEXT.test(text)) return undefined;
  const token = Buffer.from(text, "base64url");
  if (token.length !== LENGTH || token[0] !== VERSION) return undefined;
  // 106 letters hold four bits more than the token: they must be zero, so that it has one spelling (RFC 4648 §3.5).
  if (token.toString("base64url") !== text) return undefined;
  const key = vault.find("device-mac", token.readUInt32BE(1));
  if (key === undefined || !timingSafeEqual(mac(key.key, token.subarray(0, BODY)), token.subarray(BODY))) {
    return undefined;
  }
  return {
    device: asId("device", token.toString("latin1", DEVICE_AT, USER_AT)),
    isOf: (user) => timingSafeEqual(tagOf(user), token.subarray(USER_AT, BODY)),
  };
}
