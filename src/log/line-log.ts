/** What the logs of supervisor and workers share: one sink, in the chosen format, that is emptied at exit. */
import { openDestination } from './destination.ts';
import type { LogConfig } from './identity.ts';
import { shortenJson, shortenText } from './shorten.ts';
import { Sink } from './sink.ts';

export interface OpenSink {
  readonly sink: Sink;
  readonly flushSync: () => void;
  readonly close: () => void;
}

/** Throws TRC_LOGFILE where `logfile` cannot be opened. */
export function openSink(
  config: LogConfig,
  inThread: boolean,
  onLoss: (lines: number, cause: string) => void,
): OpenSink {
  const shorten = config.log_format === 'json' ? shortenJson : shortenText;
  const sink = new Sink(openDestination(config.logfile, inThread), { shorten, onLoss, inThread });
  const flushSync = (): void => sink.finish();
  if (!inThread) guardStandardStreams();
  process.on('exit', flushSync);
  return {
    sink,
    flushSync,
    close(): void {
      process.off('exit', flushSync);
      sink.close();
    },
  };
}

/** Says what was lost, in the words that both logs use. */
export function lossMessage(lines: number, cause: string): string {
  return `${lines} log lines were lost: the log could not be written fast enough (${cause})`;
}

let guarded = false;

/** Without a listener an app's process.stdout.write() would end the worker once the reader is gone (EPIPE). */
function guardStandardStreams(): void {
  if (guarded) return;
  guarded = true;
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
}
