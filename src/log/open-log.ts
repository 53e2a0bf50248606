/**
 * The log of a worker's main thread or thread: pino's logger (Fastify takes it as it is) on our own sink. Every event loop
 * opens its own and writes for itself; no line crosses a thread or a process on its way.
 */
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

import { identityFields } from './identity.ts';
import type { Identity, LineWriter, LogConfig } from './identity.ts';
import { levels } from './logger.ts';
import { lossMessage, openSink } from './line-log.ts';
import { textOfJson } from './text.ts';

export interface Log extends LineWriter {
  readonly log: Logger;
  /** Writes what waits, before an exit that runs no 'exit' handlers; gives a stuck reader a quarter of a second. */
  readonly flushSync: () => void;
  /** flushSync, then lets go of the logfile. Later lines are discarded. */
  readonly close: () => void;
}

/** Opens `logfile`, or standard output where it is ''. Throws TRC_LOGFILE. The rest is written at exit by itself. */
export function openLog(config: LogConfig, identity: Identity): Log {
  const { sink, flushSync, close } = openSink(config, identity.thread !== undefined, (lines, cause) =>
    log.warn({ lost: lines }, lossMessage(lines, cause)),
  );
  const base = identityFields(identity);
  const text = config.log_format === 'text';
  const stream: DestinationStream & { readonly flushSync: () => void } = {
    write: (line) => sink.write(text ? textOfJson(line, base) : line, isUrgent(line)),
    // pino calls this after a fatal line; the process may go on, so a stuck reader is not waited for.
    flushSync: () => sink.flushSync(),
  };
  const log = pino({ level: config.log_level, base }, stream);
  const write = (line: string): void => sink.write(`${line}\n`, false);
  return {
    log,
    // May change while it runs.
    get level() {
      return log.level as LogConfig['log_level'];
    },
    identity,
    write,
    flushSync,
    close,
  };
}

/**
 * Whether a line is not to wait for company. pino's lines begin with the level (its metadata symbol would keep the last
 * logged object alive). Not so a fatal one: pino calls flushSync after it, which is surer than a write under way.
 */
function isUrgent(line: string): boolean {
  if (!line.startsWith('{"level":')) return false;
  const level = Number.parseInt(line.slice(9, 13), 10);
  return level >= levels.error && level < levels.fatal;
}
