/**
 * The supervisor's log: the same lines as a worker's, without pino, which costs 2.2 MB of the supervisor's 60. It has no
 * children, serializers or interpolation: the supervisor needs none.
 */
import { errorFields } from './error-fields.ts';
import { identityFields } from './identity.ts';
import type { Identity, LogConfig } from './identity.ts';
import { lossMessage, openSink } from './line-log.ts';
import { levels } from './logger.ts';
import type { Logger, LogMethod } from './logger.ts';

export type { Logger } from './logger.ts';
import { formatText } from './text.ts';

export interface SupervisorLog {
  readonly log: Logger;
  readonly flushSync: () => void;
  /** From now on. */
  readonly setLevel: (level: LogConfig['log_level']) => void;
  readonly close: () => void;
}

/**
 * Opens `logfile`, or standard output where it is ''. Throws TRC_LOGFILE. The rest is written at exit by itself.
 *
 * @param inThread not in the main thread of its process: every line is written before the call returns, for such a thread may have
 *   to kill its process while libuv's pool is stuck, too
 */
export function openSupervisorLog(
  config: LogConfig,
  identity: Identity = { role: 'supervisor' },
  inThread = false,
): SupervisorLog {
  const { sink, flushSync, close } = openSink(config, inThread, (lines, cause) =>
    log.warn({ lost: lines }, lossMessage(lines, cause)),
  );
  const base = identityFields(identity);
  const text = config.log_format === 'text';
  let least = levels[config.log_level];
  const method = (name: keyof Logger): LogMethod => {
    const level = levels[name];
    return (first: string | object, message?: string) => {
      if (level < least) return;
      const head = { level, time: Date.now(), ...base };
      // Twice: it leads, and a field of the same name (the pid of a worker) cannot hide who wrote the line.
      const entry = { ...head, ...fieldsOf(first), ...head, ...messageOf(first, message) };
      sink.write(text ? formatText(entry, base) : `${JSON.stringify(entry)}\n`, name === 'error' && !inThread);
      if (name === 'fatal' || inThread) sink.flushSync();
    };
  };
  const log: Logger = {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal: method('fatal'),
  };
  const setLevel = (level: LogConfig['log_level']): void => {
    least = levels[level];
  };
  return { log, flushSync, setLevel, close };
}

/** As pino does: an error given alone stands under `err`. */
function fieldsOf(first: string | object): Record<string, unknown> {
  if (typeof first === 'string') return {};
  if (first instanceof Error) return { err: errorFields(first) };
  return Object.fromEntries(Object.entries(first).map(([k, v]) => [k, v instanceof Error ? errorFields(v) : v]));
}

function messageOf(first: string | object, message: string | undefined): { msg?: string } {
  if (typeof first === 'string') return { msg: first };
  if (message !== undefined) return { msg: message };
  return first instanceof Error ? { msg: first.message } : {};
}
