/**
 * The log: JSON lines on stdout. Secrets cannot reach it by accident: they live in a type that prints as [secret]
 * (prelude/secret.ts), requests are logged by the pattern of their route and never by headers or bodies, and the names
 * under which tokens and passwords travel are redacted besides.
 */
import { destination, type Logger, pino, stdSerializers } from "pino";

const REDACTED = [
  "password",
  "current_password",
  "new_password",
  "refresh_token",
  "access_token",
  "client_secret",
  "device_token",
  "authorization",
  "cookie",
];

export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: "[secret]" },
      serializers: { err: stdSerializers.err },
    },
    // Asynchronous: a slow terminal does not hold up requests. What is still buffered is flushed at exit.
    destination({ dest: 1, sync: false }),
  );
}
