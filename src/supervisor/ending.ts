/** How the service ends: which signal begins it, which one forces it, what runs last, and with which exit code. */
import { constants } from 'node:os';
import { setTimeout as pass } from 'node:timers/promises';
import type { WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { runHooks, type Hook } from './hooks.ts';
import { stopMessage } from './reports.ts';

/**
 * One press of Ctrl-C under npm arrives twice, from the terminal and from npm, which passes it on; coreutils' timeout
 * does the same with TERM. A second stop signal within this time is taken for such an echo, milliseconds.
 */
const ECHO_MS = 50;
/** Stop hooks of the supervisor get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

export interface EndingOptions {
  readonly log: Logger;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  readonly isStopping: () => boolean;
  /** Begins a graceful stop. */
  readonly stop: () => void;
  /** Ends all workers at once. */
  readonly kill: () => void;
  /** Resolves when a stop that has begun shows: nobody accepts any more. */
  readonly shows: () => Promise<void>;
}

export class Ending {
  /** Why it ends by itself. */
  failure: WireError | undefined;
  /** With which exit code, once it stops. */
  exitCode = 0;
  /** The process that took this one's place. */
  successor: number | undefined;
  readonly #options: EndingOptions;
  readonly #hooks: Hook[] = [];
  readonly #finished: PromiseWithResolvers<number> = Promise.withResolvers<number>();
  #stopBy = 0;
  #echoUntil = 0;

  constructor(options: EndingOptions) {
    this.#options = options;
  }

  /** Resolves with the exit code when the last worker is gone. */
  get finished(): Promise<number> {
    return this.#finished.promise;
  }

  onStop(hook: Hook): void {
    this.#hooks.push(hook);
  }

  /** @param ms until what is left is cut */
  begin(exitCode: number, ms: number): void {
    this.exitCode = exitCode;
    this.#stopBy = this.#options.clock() + ms;
  }

  /** The last worker is gone. */
  finish(): void {
    this.#finished.resolve(this.exitCode);
  }

  onSignal(signal: NodeJS.Signals): void {
    const { log, clock, isStopping, stop, shows } = this.#options;
    if (clock() < this.#echoUntil) return;
    if (this.successor !== undefined) return this.#refer(signal, this.successor);
    if (isStopping()) return this.#force(signal);
    this.#echoUntil = clock() + ECHO_MS;
    stop();
    // Said when a further signal would be heeded, too, for somebody may act on it.
    const heeded = Promise.all([pass(ECHO_MS, undefined, { ref: false }), shows()]);
    const say = (): void => log.info(stopMessage(signal, this.#stopBy - clock()));
    void Promise.race([this.finished, heeded]).then(say);
  }

  /** The stop hooks, within what is left of the time. */
  async runHooks(): Promise<void> {
    const { log, clock } = this.#options;
    const errors = await runHooks(this.#hooks, Math.max(this.#stopBy - clock(), LEAST_HOOK_MS));
    for (const err of errors) log.error({ err }, 'A stop hook of the supervisor failed');
  }

  /** Who sends it means the service, maybe, which is another process now; if not, once more forces it. */
  #refer(signal: NodeJS.Signals, successor: number): void {
    const { log, clock } = this.#options;
    this.successor = undefined;
    this.#echoUntil = clock() + ECHO_MS;
    log.warn(`${signal}: process ${successor} is the service now; this one ends when it has drained`);
  }

  #force(signal: NodeJS.Signals): void {
    const { log, kill } = this.#options;
    log.warn('Forced shutdown.');
    kill();
    this.#hooks.length = 0;
    this.#finished.resolve(128 + constants.signals[signal]);
  }
}
