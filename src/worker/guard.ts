/** What every worker process and thread does about its ends that nobody ordered, and about signals. */
import { isMainThread } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import type { Log } from '../log/open-log.ts';
import { speaksForAll } from '../log/identity.ts';
import { nameRequests, type RequestInFlight } from '../log/requests.ts';
import { ownSignals } from '../own-signals.ts';
import { nameCurrentRequest } from './current-request.ts';

/** Signals that a terminal or a service manager sends to the whole group: the supervisor answers for all. */
const TO_THE_GROUP = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGTTIN', 'SIGTTOU'] as const;
/** So many further errors are logged: one that a timer throws again and again must not fill the disk. */
const BRIEFLY = 10;

/** A listener of the app, for a signal that is left to the supervisor. */
interface Unheard {
  readonly signal: string;
  readonly by: 'The app' | 'A module of --import or --require';
  /** Who added it. */
  readonly stack?: string | undefined;
}

const firstUnheard: PromiseWithResolvers<Unheard> = Promise.withResolvers();

function ignore(): void {}

/**
 * Neither Node nor the app acts on them. The app's process.exit() would cut what the supervisor lets finish, and only where
 * the whole group gets the signal, and in no thread.
 */
export function leaveSignalsToSupervisor(): void {
  ownSignals({
    signals: TO_THE_GROUP,
    isOurs: (listener) => listener === ignore,
    onForeign: (signal, stack) =>
      firstUnheard.resolve(
        stack === undefined
          ? { signal, by: 'A module of --import or --require' }
          : { signal, by: 'The app', stack: callerOfOn(stack) },
      ),
  });
  // Also those that the supervisor takes, and that would end a process which got one by mistake; the app may use them here.
  for (const signal of [...TO_THE_GROUP, 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, ignore);
}

/** Says that the app listens in vain: one event loop does, for all run the same app. */
export function tellOfUnheard({ log, identity }: Log, config: Config): void {
  if (!speaksForAll(identity, config)) return;
  void firstUnheard.promise.then(({ signal, by, stack }) => {
    const remedy = 'what is to be done at the end belongs into onStop (docs/app.md#hooks)';
    log.warn({ stack }, `${by} listens for ${signal} itself; that listener is not called: ${remedy}`);
  });
}

/** The frames below process.on(), once() and the like, and those of Node that they consist of. */
function callerOfOn(stack: string): string | undefined {
  const [, , ...lines] = stack.split('\n');
  const caller = lines.findIndex((line) => !line.includes('node:'));
  return caller < 0 ? undefined : lines.slice(caller).join('\n');
}

let isLeaving = false;

/** The only way in which Tricorn itself ends a worker process or thread: any other exit is the app's. */
export function leave(log: Log, code: number): never {
  isLeaving = true;
  log.close();
  process.exit(code);
}

type InFlight = () => readonly RequestInFlight[];

/** Says where the app ended the process or thread by process.exit(), and what was in flight. */
export function reportExit(log: Log, inflight: InFlight): void {
  process.on('exit', function onExit(code) {
    if (isLeaving) return;
    // node:cluster exits by itself then.
    if (isMainThread && !process.connected) {
      log.log.fatal(nameRequests(inflight()), 'The supervisor is gone: this worker ends with it');
      log.flushSync();
      return endAtOnce(code, onExit);
    }
    const stack = callerOfExit(new Error('here').stack);
    log.log.fatal({ code, stack, ...culprit(), ...nameRequests(inflight()) }, `process.exit(${code}) was called`);
    log.flushSync();
  });
}

/**
 * An exit waits for the end of all threads, and one that is stuck outside of JavaScript, Tricorn's or the app's own, does not
 * end: an orphan would be left, and hold the port. What else listens for the exit is still called.
 */
function endAtOnce(code: number, own: (code: number) => void): void {
  const listeners = process.listeners('exit');
  try {
    for (const listener of listeners.slice(listeners.indexOf(own) + 1)) listener.call(process, code);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}

/** The request that the running code belongs to, for the log; nothing where it belongs to none. */
function culprit(): { request?: string } {
  const request = nameCurrentRequest();
  return request === '' ? {} : { request };
}

/** The frames below process.exit(), which calls the listeners while its caller is still there. */
function callerOfExit(stack = ''): string | undefined {
  const lines = stack.split('\n');
  const exit = lines.findIndex((line) => line.includes('at process.exit '));
  return exit < 0 ? undefined : lines.slice(exit + 1).join('\n');
}

/**
 * Takes errors that nobody caught. An app that listens itself for uncaughtException has taken that decision over, as it
 * would have without Tricorn.
 */
export function onUncaught(handle: (error: unknown) => void): void {
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') > 1) return;
    try {
      handle(error);
    } catch {
      // No memory or no stack left even for that.
      isLeaving = true;
      process.exit(1);
    }
  });
}

/** Logs uncaught errors: the first whole, with the requests in flight, those that follow while it drains briefly. */
export class UncaughtLog {
  readonly #log: Log;
  readonly #inflight: InFlight;
  #seen = 0;

  constructor(log: Log, inflight: InFlight) {
    this.#log = log;
    this.#inflight = inflight;
  }

  get any(): boolean {
    return this.#seen > 0;
  }

  add(error: unknown): void {
    this.#seen += 1;
    const { log, flushSync } = this.#log;
    if (this.#seen === 1) {
      log.fatal({ err: error, ...culprit(), ...nameRequests(this.#inflight()) }, 'Uncaught error');
      flushSync();
    } else if (this.#seen <= BRIEFLY) {
      const more = this.#seen === BRIEFLY ? '; more are not logged' : '';
      log.warn({ error: String(error) }, `Uncaught error while draining${more}`);
    }
  }
}
