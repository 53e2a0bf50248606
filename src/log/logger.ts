/** `log.warn('message')`, `log.warn({ worker: 1 }, 'message')`, `log.error(error)` or `log.error({ err }, 'message')`. */
export interface LogMethod {
  (message: string): void;
  (fields: object, message?: string): void;
}

/** The part of pino's Logger that the supervisor's log has as well: code that runs in both takes this. */
export interface Logger {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly fatal: LogMethod;
}

type Level = keyof Logger | 'silent';

/** The numbers that pino gives its levels. */
export const levels: Readonly<Record<Level, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: Infinity,
};
