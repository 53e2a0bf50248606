/** Whether the service can answer requests now, and what is said and done when it cannot for long: a crash loop. */
import type { Config } from '../config/config.ts';
import { logError, toWireError, TricornError, type WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { CrashLoop } from '../roster/crash-loop.ts';
import type { Workers } from './workers.ts';

export interface ReadinessOptions {
  readonly workers: Workers;
  readonly config: Config;
  readonly log: Logger;
  readonly clock: () => number;
  /** Whether the first boot is through, and no stop has begun. */
  readonly isServing: () => boolean;
  /** Called where a crash loop is to end the service. */
  readonly onGivenUp: (error: WireError) => void;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #loop: CrashLoop;

  constructor(options: ReadinessOptions) {
    this.#options = options;
    const { config, clock, workers } = options;
    this.#loop = new CrashLoop({ limit: config.crash_loop_limit, clock });
    workers.on('failed', () => this.#onStartFailed());
    workers.on('serving', () => this.recover());
  }

  get isReady(): boolean {
    const { workers, isServing } = this.#options;
    return isServing() && workers.serving.length > 0;
  }

  get isCrashLooping(): boolean {
    return this.#loop.isLooping;
  }

  #onStartFailed(): void {
    const { workers, config, log, isServing, onGivenUp } = this.#options;
    if (!isServing() || !this.#loop.failed(workers.serving.length > 0)) return;
    const error = toWireError(new TricornError('TRC_CRASH_LOOP', { starts: config.crash_loop_limit }));
    if (config.exit_on_crash_loop) return onGivenUp(error);
    logError(log, error);
    workers.slowDown();
  }

  /** Requests are answered, by its workers or by the generation that takes its place. */
  recover(): void {
    const loop = this.#loop.ready();
    if (!loop) return;
    const { starts, ms } = loop;
    const after = `${starts} starts failed in ${(ms / 1000).toFixed(1)} s`;
    this.#options.log.warn({ starts }, `The crash loop is over, the service is ready again: ${after}`);
  }
}
