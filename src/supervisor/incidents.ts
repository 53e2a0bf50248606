/**
 * What it means for a generation that one of its workers ends, cannot boot, is late or is stuck: a boot that fails, a death
 * that is logged, a trial that is lost. Whether and when another takes its place is decided by workers.ts.
 */
import type { Config } from '../config/config.ts';
import { logError, type WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { bootTimeout, earlyEnd, trialError } from './boot-errors.ts';
import { howItEnded, type Deaths } from './deaths.ts';
import type { GenerationState } from './server-state.ts';
import type { Exit, WorkerHandle } from './worker-handle.ts';
import type { Workers } from './workers.ts';

export interface IncidentsOptions {
  readonly log: Logger;
  readonly deaths: Deaths;
  /** What is live in it may change. */
  readonly config: () => Config;
  readonly state: () => GenerationState;
  readonly isStopping: () => boolean;
  readonly isOnTrial: () => boolean;
  /** When a worker that drains from now on is killed, by the clock. */
  readonly killTime: (workers: Workers) => number;
  /** Called when it will not serve; the first reason counts. */
  readonly onBootFailed: (error: WireError) => void;
}

export class Incidents {
  readonly #options: IncidentsOptions;
  /** It never served, and the reason has been told. */
  #hasFailed = false;

  constructor(options: IncidentsOptions) {
    this.#options = options;
  }

  /** @param oneSpeaksForAll they all run the same: why one could not boot is said without its name */
  watch(workers: Workers, oneSpeaksForAll: boolean): void {
    workers.on('ready', (handle) => this.#onReady(handle));
    workers.on('fatal', (handle, error) => this.#onFatal(handle, error, oneSpeaksForAll));
    workers.on('late', (handle) => void this.#onLate(handle));
    workers.on('gone', (handle, exit) => this.#onGone(handle, exit));
    workers.on('lost', (handle, thread) => this.#onLost(`thread ${thread} of ${handle.name}`));
    workers.on('stuck', (handle) => this.#onStuck(workers, handle));
  }

  /** It is not to serve, and that is why. What happens from now on is a consequence. */
  failBoot(error: WireError): void {
    this.#hasFailed = true;
    this.#options.onBootFailed(error);
  }

  #onReady(handle: WorkerHandle): void {
    const { log, state } = this.#options;
    // At boot one line speaks for all.
    if (state() === 'serving') log.info({ worker: handle.number }, `${handle.name} is ready`);
  }

  /** It could not boot and says why; it ends by itself. */
  #onFatal(handle: WorkerHandle, error: WireError, oneSpeaksForAll: boolean): void {
    const { log, state } = this.#options;
    const message = oneSpeaksForAll ? error.message : `${handle.name}: ${error.message}`;
    if (state() === 'booting') this.failBoot({ ...error, message });
    else if (state() === 'serving') logError(log, error, `${handle.name}: `);
  }

  async #onLate(handle: WorkerHandle): Promise<void> {
    const { log, config, state } = this.#options;
    const error = await bootTimeout(config(), handle);
    if (handle.state !== 'starting') return; // Ready after all, or about to end.
    if (state() === 'booting') return this.failBoot(error);
    logError(log, error, `${handle.name}: `);
    handle.fatal = error;
    handle.kill();
  }

  #onGone(handle: WorkerHandle, exit: Exit): void {
    const { deaths, state, isStopping } = this.#options;
    if (!exit.expected && handle.readyAt !== undefined) this.#onLost(`${handle.name}, ${howItEnded(exit)}`);
    if (state() === 'booting' && !exit.expected) this.failBoot(earlyEnd(handle));
    else if (isStopping() || this.#hasFailed) deaths.reportAtStop(handle, exit);
    else deaths.report(handle, exit);
    deaths.bury(handle);
  }

  #onStuck(workers: Workers, handle: WorkerHandle): void {
    const { deaths, killTime } = this.#options;
    this.#onLost(handle.name);
    deaths.count(handle);
    workers.replace(handle, killTime(workers));
  }

  /** On trial nothing may be lost: what dies so soon would go on dying. */
  #onLost(what: string): void {
    const { state, isOnTrial } = this.#options;
    if (isOnTrial() && state() === 'booting') this.failBoot(trialError(`it has lost ${what}`));
  }
}
