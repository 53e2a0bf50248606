/**
 * A worker process, whether it serves HTTP or runs jobs. Lives in the worker's main thread; what runs the app is its engine.
 *
 * States, and how each is entered and left:
 *
 *   loading   the app is imported, in a spare not before it is told to. Left when it is; a drain ends the process at once,
 *             for nothing of it has started.
 *   starting  the app's start hooks run. Left when they are through; a drain waits for that.
 *   serving   connections are accepted, or jobs are run. Left by a drain.
 *   draining  what is there is finished, then the stop hooks run. Left by the end of the process.
 */
import type { Server } from 'node:net';
import { toWireError, TricornError } from '../errors.ts';
import { residentBytes } from '../limits/resident.ts';
import type { Log } from '../log/open-log.ts';
import type { RequestInFlight } from '../log/requests.ts';
import { wrap, type FromWorker, type Renew, type ToWorker, type WorkerBoot } from '../protocol.ts';
import { bindError } from '../supervisor/listener.ts';
import { accept, claim, finishAccepting } from './acceptor.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { leave, onUncaught, reportExit, UncaughtLog } from './guard.ts';
import type { Terms } from './terms.ts';

type State = 'loading' | 'starting' | 'serving' | 'draining';

export class HttpWorker {
  readonly #boot: WorkerBoot;
  readonly #terms: Terms;
  readonly #log: Log;
  readonly #loadEngine: () => Promise<Engine>;
  readonly #uncaught: UncaughtLog;
  /** The boot message, which a spare gets twice, has come for the second time. */
  readonly #told: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #state: State = 'loading';
  #drainIsDue = false;
  /** When its generation began to serve. */
  #since: number | undefined;
  #acceptors: Server[] = [];

  /** The last order for a number of threads: it may come before the engine is loaded. */
  #threads: number | undefined;
  #loaded: Engine | undefined;

  constructor(options: EngineOptions, loadEngine: (options: EngineOptions) => Promise<Engine>) {
    const { boot, terms, log } = options;
    this.#boot = boot;
    this.#terms = terms;
    this.#since = boot.since;
    this.#log = log;
    this.#loadEngine = () => loadEngine(options);
    terms.follow(({ log_level }) => (log.log.level = log_level));
    this.#uncaught = new UncaughtLog(log, () => this.#inflight());
  }

  /** Listens for orders from its first, synchronous step on: none is lost. */
  async run(): Promise<void> {
    process.on('message', (message: ToWorker) => this.#onMessage(message));
    onUncaught((error) => this.#onUncaught(error));
    reportExit(this.#log, () => this.#inflight());
    try {
      await this.#claim();
      this.#loaded = await this.#loadEngine();
      if (this.#boot.warmFor !== undefined) {
        await this.#engine.warmUp();
        await this.#told.promise;
      }
      if (this.#threads !== undefined) this.#engine.resize(this.#threads);
      await this.#engine.load();
      this.#state = 'starting';
      await this.#engine.start();
      // It has no connection yet that could be told why.
      if (this.#drainIsDue) return await this.#drain(false);
      await this.#serve();
    } catch (error) {
      await this.#failBoot(error);
    }
  }

  get #engine(): Engine {
    if (!this.#loaded) throw new Error('the engine is not loaded');
    return this.#loaded;
  }

  async #claim(): Promise<void> {
    const { listeners, config } = this.#boot;
    for (const listener of listeners) {
      try {
        await claim(listener, config.backlog);
      } catch (error) {
        throw bindError(error as NodeJS.ErrnoException, listener.shown);
      }
    }
  }

  async #serve(): Promise<void> {
    const { listeners, config } = this.#boot;
    this.#state = 'serving';
    const { handsOn } = this.#engine;
    for (const { kind, acceptFds } of listeners) {
      const [fd] = acceptFds;
      // What cannot be handed on is accepted by the threads themselves.
      if (fd === undefined || (handsOn && kind === 'unix')) continue;
      const take = this.#engine.accept.bind(this.#engine);
      this.#acceptors.push(await accept({ kind, fd }, config.backlog, take, handsOn));
    }
    this.#engine.serve();
    const { form, jobs } = this.#engine;
    tell({ type: 'ready', form, jobs });
    if (this.#since !== undefined) void this.#publish(this.#since);
  }

  /** One that still boots does so when it is ready. Of an app without jobs, one that serves is told. */
  async #publish(since: number): Promise<void> {
    this.#since = since;
    if (this.#state !== 'serving') return;
    if (this.#engine.jobs > 0) await this.#engine.publish(since);
    else await (await import('./publish-none.ts')).publishNone(this.#boot, this.#log, since);
    tell({ type: 'published' });
  }

  #onMessage(message: ToWorker): void {
    if (message.type === 'drain') this.#onDrain(message.final);
    else if (message.type === 'threads') this.#resize(message.count);
    else if (message.type === 'publish') void this.#publish(message.since);
    else if (message.type === 'usage') void this.#tellUsage();
    else if (message.type === 'renew') void this.#renew(message);
    else if (message.type === 'measure') void this.#measure(message.on);
    else if (message.type === 'boot') this.#told.resolve();
    else if (message.type === 'poison') this.#loaded?.refuseRoute(message);
    else if (message.type === 'live') this.#terms.change(message.settings);
  }

  #resize(threads: number): void {
    this.#threads = threads;
    this.#loaded?.resize(threads);
  }

  #onDrain(final: boolean): void {
    if (this.#state === 'loading') leave(this.#log, 0);
    else if (this.#state === 'serving') void this.#drain(final);
    else this.#drainIsDue = true;
  }

  async #drain(final: boolean): Promise<void> {
    this.#state = 'draining';
    try {
      // The queue lives on while others have its descriptor: the supervisor, unless it stops, and other workers.
      await finishAccepting(this.#acceptors, this.#boot.config.backlog);
      tell({ type: 'closed' });
      await this.#engine.drain(final);
    } catch (error) {
      this.#log.log.error({ err: error }, 'The drain met an error');
    }
    leave(this.#log, this.#uncaught.any ? 1 : 0);
  }

  async #tellUsage(): Promise<void> {
    // While it boots as well: whoever asks waits for an answer, and is told nothing else until there is one.
    const isUp = this.#state === 'serving' || this.#state === 'draining';
    tell({ type: 'usage', rss: residentBytes(), loops: isUp ? await this.#engine.usage() : [] });
  }

  async #renew(order: Renew): Promise<void> {
    const error = await this.#engine.renew(order);
    tell({ type: 'renewed', error, jobs: this.#engine.jobs });
  }

  async #measure(on: boolean): Promise<void> {
    if (!this.#loaded) return;
    const loops = await this.#loaded.measure(on);
    if (!on) tell({ type: 'measured', loops });
  }

  /** One that serves finishes what is in flight elsewhere; its replacement starts at once. */
  #onUncaught(error: unknown): void {
    if (this.#state === 'loading' || this.#state === 'starting') {
      return void this.#failBoot(new TricornError('TRC_APP_BOOT', { app: this.#boot.config.app }, { cause: error }));
    }
    this.#uncaught.add(error);
    this.#engine.abandon(error);
    if (this.#state === 'draining') return;
    tell({ type: 'broken' });
    void this.#drain(false);
  }

  #inflight(): RequestInFlight[] {
    return this.#loaded?.inflight() ?? [];
  }

  /** The supervisor logs it: once, however many workers fail alike. */
  async #failBoot(error: unknown): Promise<void> {
    const told = toWireError(error);
    const isDev = this.#boot.config.dev === 'reload';
    const wire = isDev ? (await import('../dev/framed.ts')).framed(told) : told;
    // Sent before the channel goes down with the process.
    tell({ type: 'fatal', error: wire }, () => leave(this.#log, wire.exitCode));
  }
}

/** Tells the supervisor. */
export function tell(message: FromWorker, sent: () => void = () => {}): void {
  // A supervisor that is gone cannot be told; the end of the channel ends this process, too.
  if (process.connected) process.send?.(wrap(message), undefined, undefined, sent);
}
