/**
 * The log: JSON lines on stdout. Secrets cannot reach it by accident: they live in a type that prints as [secret]
 * (prelude/secret.ts), and requests are logged by the pattern of their route, never by headers, bodies or raw paths.
 */
import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from "pino";

export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err },
    },
    // Asynchronous: a slow terminal does not hold up requests. What is still buffered is flushed at exit.
    destination({ dest: 1, sync: false }),
  );
}
