/**
 * CommonServer: the lifecycle of the service, the same for every mode. Lives in the supervisor process, which binds
 * the port, watches the workers and answers signals, and never imports or runs the app.
 *
 * A mode is a subclass that says how many workers there should be (`population`) and what one more or less means
 * (`scale`). After Odoo's CommonServer (odoo/service/server.py) and unicorn's master loop.
 * Its states are written down in src/supervisor/server-state.ts.
 */
import { constants } from 'node:os';
import type { Config, LoadedConfig } from './config/config.ts';
import { logError, toWireError, type WireError } from './errors.ts';
import type { Logger } from './log/supervisor-log.ts';
import type { Account } from './supervisor/account.ts';
import { bootTimeout, earlyEnd } from './supervisor/boot-errors.ts';
import { bootMessage } from './supervisor/boot-message.ts';
import { Deaths } from './supervisor/deaths.ts';
import { inherit } from './supervisor/inheritance.ts';
import { runHooks, type Hook } from './supervisor/hooks.ts';
import { Listeners } from './supervisor/listeners.ts';
import { Pidfile } from './supervisor/pidfile.ts';
import { watchPoison } from './supervisor/poison-watch.ts';
import { dumpStacks, logStatistics, logStopped, stopMessage, type SupervisorFigures } from './supervisor/reports.ts';
import { Readiness } from './supervisor/readiness.ts';
import { serverTransition, type ServerState } from './supervisor/server-state.ts';
import { SignalQueue, type Action, type ReceivedSignal } from './supervisor/signals.ts';
import { spawnWorker } from './supervisor/spawn-worker.ts';
import { ServiceManager, type Staff } from './supervisor/service-manager.ts';
import { Ticker } from './supervisor/ticker.ts';
import { WorkerHandle, type Exit } from './supervisor/worker-handle.ts';
import { Workers } from './supervisor/workers.ts';

/** A worker gets this much longer than its graceful_timeout, for its stop hooks, before it is killed, milliseconds. */
const KILL_GRACE_MS = 5000;
/**
 * One press of Ctrl-C under npm arrives twice, from the terminal and from npm, which passes it on; coreutils' timeout
 * does the same with TERM. A second stop signal within this time is taken for such an echo, milliseconds.
 */
const ECHO_MS = 50;
/** Stop hooks of the supervisor get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

/** Which workers a mode wants. */
export interface Population {
  readonly workers: number;
  /** Threads in each worker; 0 = the app runs in the worker's main thread. */
  readonly threads: number;
}

export interface ServerOptions {
  readonly log: Logger;
  /** Boot the app in one worker that serves nothing, then stop: `tricorn check`. Default false. */
  readonly check?: boolean;
  /** Milliseconds that only ever grow. Default performance.now. */
  readonly clock?: () => number;
}

export abstract class CommonServer {
  abstract readonly mode: 'prefork' | 'threaded' | 'evented';

  /** Which workers there should be now. */
  protected abstract population(): Population;
  /** Takes one worker or thread more (1) or less (-1). Returns what it did, for the log. */
  protected abstract scale(step: 1 | -1): string;
  /** The mode and its size in words, for the log. */
  abstract describe(): string;

  protected readonly config: Config;
  protected readonly workers: Workers;
  readonly #loaded: LoadedConfig;
  readonly #log: Logger;
  readonly #check: boolean;
  readonly #clock: () => number;
  readonly #deaths: Deaths;
  readonly #readiness: Readiness;
  readonly #manager: ServiceManager;
  readonly #poison: ReturnType<typeof watchPoison>;
  readonly #ticker = new Ticker(() => this.#tick());
  readonly #signals = new SignalQueue(() => this.#ticker.wake());
  readonly #hooks: Hook[] = [];
  readonly #finished: PromiseWithResolvers<number> = Promise.withResolvers<number>();
  readonly #tests = new AbortController();
  readonly #listeners: Listeners;
  #account: Account | undefined;
  #state: ServerState = 'new';
  #hasServed = false;
  #exitCode = 0;
  #failure: WireError | undefined;
  #startedAt = 0;
  #stopBy = 0;
  #echoUntil = 0;

  constructor(loaded: LoadedConfig, { log, check = false, clock = () => performance.now() }: ServerOptions) {
    this.config = loaded.config;
    this.#loaded = loaded;
    this.#log = log;
    this.#check = check;
    this.#clock = clock;
    this.#deaths = new Deaths(log, clock);
    this.#listeners = new Listeners({ loaded, log });
    this.#manager = new ServiceManager({ env: check ? {} : process.env, pid: process.pid, log, clock });
    this.workers = new Workers({ log, clock, launch: (number) => this.#launch(number) });
    this.workers.on('change', () => this.#ticker.wake());
    this.workers.on('fatal', (handle, error) => this.#onFatal(handle, error));
    this.workers.on('ready', (handle) => this.#onWorkerReady(handle));
    this.workers.on('gone', (handle, exit) => this.#onGone(handle, exit));
    this.#poison = watchPoison(this.workers, { threshold: this.config.poison_threshold, log, clock });
    this.workers.on('late', (handle) => void this.#onBootTimeout(handle));
    this.workers.on('stuck', (handle) => this.#onStuck(handle));
    this.#readiness = new Readiness({
      workers: this.workers,
      config: this.config,
      log,
      clock,
      isServing: () => this.#state === 'serving',
      onGivenUp: (error) => this.#fail(error),
    });
  }

  get state(): ServerState {
    return this.#state;
  }

  /** Whether requests are answered now: false before ready, while it stops, and while no worker is ready. */
  get isReady(): boolean {
    return this.#readiness.isReady;
  }

  /** Where the service listens; undefined before run() and with http_enable = false. */
  get url(): string | undefined {
    return this.#listeners.url;
  }

  /** Why run() ended by itself: the boot failed, or a crash loop; undefined where it was asked to stop. */
  get failure(): WireError | undefined {
    return this.#failure;
  }

  /** Runs `hook` in the supervisor once, after the last worker is gone, within what is left of graceful_timeout. */
  onStop(hook: Hook): void {
    this.#hooks.push(hook);
  }

  /** Serves until a signal ends it. Resolves with the exit code that the process should have. */
  async run(): Promise<number> {
    const pidfile = new Pidfile(this.#check ? '' : this.config.pidfile);
    this.#signals.install();
    this.#startedAt = this.#clock();
    process.title = `tricorn: supervisor (${this.mode})`;
    try {
      if (this.config.user !== '' || this.config.group !== '') await this.#findAccount();
      await this.#listeners.open({ bind: !this.#check, owner: this.#account });
      pidfile.write();
      this.#boot();
      const code = await this.#finished.promise;
      await this.#runHooks();
      if (this.#hasServed) logStopped(this.#log, code, this.#clock() - this.#startedAt);
      return code;
    } catch (error) {
      return this.#refuse(error);
    } finally {
      this.#ticker.stop();
      this.workers.stop();
      pidfile.remove();
      this.#listeners.close();
      this.#signals.uninstall();
      this.#enter('stopped');
    }
  }

  /** Its module is loaded only when asked for: the supervisor's memory is a budget. */
  async #findAccount(): Promise<void> {
    const { accountOf, giveLogfile } = await import('./supervisor/account.ts');
    this.#account = accountOf(this.config);
    if (this.#account && !this.#check) giveLogfile(this.config, this.#account);
  }

  #boot(): void {
    process.title = `tricorn: supervisor (${this.mode}) ${this.config.app}`;
    for (const warning of this.#loaded.warnings) this.#log.warn(warning);
    if (this.#wanted().workers === 0) this.#log.warn('http_enable is false: no worker is started');
    this.#enter('booting');
    this.#ticker.start();
  }

  /** The supervisor's whole work. */
  #tick(): void {
    try {
      this.#handleSignals();
      this.workers.reap();
      this.workers.escalate();
      this.workers.recycle(this.#wanted().workers);
      this.workers.cull(this.#wanted().workers, this.#killTime());
      this.workers.spawn(this.#wanted().workers);
      this.#settle();
    } catch (error) {
      // The service outlives a fault of its supervisor; the next tick sees the same facts again.
      this.#log.error({ err: error }, 'The supervisor met an error of its own');
    }
  }

  #handleSignals(): void {
    const handlers: Record<Action, (received: ReceivedSignal) => void> = {
      stop: ({ signal }) => this.#onStopSignal(signal),
      refuse: ({ signal }) => this.#log.warn(`${signal} means nothing yet`),
      'scale-up': () => this.#onScale(1),
      'scale-down': () => this.#onScale(-1),
      'dump-stacks': () => dumpStacks(this.#log, this.workers),
      'log-statistics': () => logStatistics(this.#log, this.workers, this.#figures()),
    };
    for (const received of this.#signals.take()) handlers[received.action](received);
  }

  #onStopSignal(signal: NodeJS.Signals): void {
    if (this.#clock() < this.#echoUntil) return;
    if (this.#state === 'stopping') return this.#force(signal);
    this.#echoUntil = this.#clock() + ECHO_MS;
    this.#stop(0);
    // Said when a further signal would be heeded, for somebody may act on it.
    const heeded = new Promise((resolve) => setTimeout(resolve, ECHO_MS).unref());
    const say = (): void => this.#log.info(stopMessage(signal, this.config.graceful_timeout));
    void Promise.race([this.#finished.promise, heeded]).then(say);
  }

  #onScale(step: 1 | -1): void {
    if (this.#state === 'stopping') return;
    this.#log.info(this.scale(step));
  }

  #onGone(handle: WorkerHandle, exit: Exit): void {
    if (this.#state === 'booting' && !exit.expected) this.#fail(earlyEnd(this.config, handle.name, exit));
    else if (this.#state === 'stopping') this.#deaths.reportAtStop(handle, exit);
    else this.#deaths.report(handle, exit);
    this.#deaths.bury(handle);
  }

  #onStuck(handle: WorkerHandle): void {
    this.#deaths.count(handle);
    this.workers.replace(handle, this.#killTime());
  }

  async #onBootTimeout(handle: WorkerHandle): Promise<void> {
    const error = await bootTimeout(this.config, handle);
    if (handle.state !== 'starting') return; // Ready after all, or about to end.
    if (this.#state === 'booting') return this.#fail(error);
    logError(this.#log, error, `${handle.name}: `);
    handle.kill();
  }

  #launch(worker: number): WorkerHandle {
    const role = this.mode === 'evented' ? 'evented' : 'http';
    const { threads } = this.#wanted();
    const recorder = this.#deaths.openRecorder();
    const { fds, ...told } = inherit(this.#listeners.all, threads, recorder);
    const whom = { role, worker, threads, generation: 1, address: this.#listeners.address, ...told } as const;
    const handle = new WorkerHandle(
      spawnWorker({ fds, account: this.#account }),
      bootMessage(whom, this.#loaded),
      this.#clock,
    );
    this.#deaths.assign(handle, recorder);
    return handle;
  }

  /** A worker could not boot and says why; it ends by itself. */
  #onFatal(handle: WorkerHandle, error: WireError): void {
    if (this.#state === 'booting') this.#fail(error);
    else if (this.#state === 'serving') logError(this.#log, error, `${handle.name}: `);
  }

  /** Moves on when all that a state waits for has happened. */
  #settle(): void {
    const { ready, size } = this.workers;
    if (this.#state === 'booting' && ready.length >= this.#wanted().workers) this.#onReady(ready[0]?.form ?? 'no app');
    if (this.#state === 'serving') this.#manager.tend(this.#staff());
    if (this.#state === 'stopping' && size === 0) this.#finished.resolve(this.#exitCode);
  }

  #onWorkerReady(handle: WorkerHandle): void {
    // At boot one line speaks for all.
    if (this.#state === 'serving') this.#log.info({ worker: handle.number }, `${handle.name} is ready`);
  }

  #onReady(form: string): void {
    const lost = this.#listeners.lost();
    if (lost) return this.#fail(toWireError(lost));
    this.#enter('serving');
    if (this.#check) return this.#onChecked(form);
    this.#hasServed = true;
    this.#log.info(`Ready: ${this.describe()}, ${form}${this.#listeners.describe()}`);
    this.#manager.ready(this.#staff());
    if (this.config.test_file !== '') void this.#runTests(this.url);
    else if (this.config.stop_after_init) this.#stop(0);
  }

  #onChecked(form: string): void {
    this.#log.info(`Check passed: ${this.config.app} is ${form} and boots`);
    this.#stop(0);
  }

  async #runTests(url: string | undefined): Promise<void> {
    const { runTestFile } = await import('./supervisor/test-run.ts');
    const code = await runTestFile(this.config.test_file, { url, signal: this.#tests.signal, log: this.#log });
    if (this.config.stop_after_init && this.#state === 'serving') this.#stop(code);
  }

  /** It cannot go on, mostly since the first boot failed: says why, once, and ends. */
  #fail(error: WireError): void {
    this.#failure = error;
    logError(this.#log, error);
    this.workers.killAll(({ state }) => state === 'starting');
    this.#stop(error.exitCode);
  }

  #stop(exitCode: number): void {
    this.#exitCode = exitCode;
    this.#stopBy = this.#clock() + this.config.graceful_timeout * 1000;
    this.#enter('stopping');
    this.#manager.stopping();
    this.#tests.abort();
    // The last descriptor but those of the workers, who close theirs as they drain: then the kernel refuses.
    this.#listeners.close();
    this.workers.drainAll(this.#killTime());
    this.#ticker.wake();
  }

  #force(signal: NodeJS.Signals): void {
    this.#log.warn('Forced shutdown.');
    this.workers.killAll();
    this.#hooks.length = 0;
    this.#finished.resolve(128 + constants.signals[signal]);
  }

  /** What run() could not even start with: the port, the pidfile. */
  #refuse(error: unknown): number {
    const wire = toWireError(error);
    this.#failure = wire;
    logError(this.#log, wire);
    return wire.exitCode;
  }

  async #runHooks(): Promise<void> {
    const left = this.#stopBy - this.#clock();
    const errors = await runHooks(this.#hooks, Math.max(left, LEAST_HOOK_MS));
    for (const err of errors) this.#log.error({ err }, 'A stop hook of the supervisor failed');
  }

  #figures(): SupervisorFigures {
    const poison = this.#poison.active().map(({ route }) => route);
    return { uptimeMs: this.#clock() - this.#startedAt, deaths: this.#deaths.total, poison };
  }

  #staff(): Staff {
    return { wanted: this.#wanted().workers, serving: this.workers.serving.length, workers: this.workers };
  }

  #killTime(): number {
    return this.#clock() + this.config.graceful_timeout * 1000 + KILL_GRACE_MS;
  }

  #wanted(): Population {
    const { workers, threads } = this.population();
    if (this.#state === 'stopping') return { workers: 0, threads };
    if (this.#check) return { workers: 1, threads: Math.min(threads, 1) };
    return { workers: this.config.http_enable ? workers : 0, threads };
  }

  #enter(state: ServerState): void {
    this.#state = serverTransition(this.#state, state);
  }
}
