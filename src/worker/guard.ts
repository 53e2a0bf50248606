/** What every worker process and thread does about errors that nobody caught, and about the terminal's signals. */
import type { Log } from '../log/open-log.ts';

/** Signals that a terminal or a service manager sends to the whole group: the supervisor answers for all. */
const LEFT_TO_THE_SUPERVISOR = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGTTIN', 'SIGTTOU'] as const;

export function leaveSignalsToSupervisor(): void {
  for (const signal of LEFT_TO_THE_SUPERVISOR) process.on(signal, () => {});
  // Also these, which would otherwise end the process.
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {});
}

/**
 * Ends this process or thread with code 1 when an error was caught by nobody. An app that listens itself for
 * uncaughtException has taken that decision over, as it would have without Tricorn.
 *
 * @param onError told first; the log has not been written to
 */
export function endOnUncaught(onError: (error: unknown) => void): void {
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') > 1) return;
    onError(error);
  });
}

export function logAndExit(log: Log, error: unknown): never {
  log.log.fatal({ err: error }, 'Uncaught error');
  log.flushSync();
  process.exit(1);
}
