/**
 * The log: JSON lines on stdout. Secrets cannot reach it by accident: they live in a type that prints as [secret]
 * (prelude/secret.ts), and requests are logged by the pattern of their route, never by headers, bodies or raw paths.
 */
import { type DestinationStream, destination, type Logger, pino, stdSerializers, stdTimeFunctions } from "pino";

/** @param to where lines go; by default stdout, asynchronously: a slow terminal does not hold up requests */
export function createLogger(level: string, to: DestinationStream = destination({ dest: 1, sync: false })): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err },
    },
    to,
  );
}
