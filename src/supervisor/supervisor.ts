/**
 * What outlives every generation of the service: its sockets, its signals and its tick, its pidfile and its exit code.
 * The states of the service are written down in server-state.ts; its changes, such as a reload, are made by changes.ts.
 */
import { constants } from 'node:os';
import { setTimeout as pass } from 'node:timers/promises';
import type { CommonServer, ServerOptions } from '../common-server.ts';
import type { Config, LoadedConfig } from '../config/config.ts';
import type { Spares } from '../dev/spares.ts';
import type { AppWatch } from '../dev/watch-app.ts';
import { logError, toWireError, type WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Control } from '../control/open.ts';
import type { Account } from './account.ts';
import type { Outcome } from './change.ts';
import { Changes } from './changes.ts';
import { Deaths } from './deaths.ts';
import { runHooks, type Hook } from './hooks.ts';
import { takeHandover } from './handover.ts';
import { Listeners } from './listeners.ts';
import { Pidfile } from './pidfile.ts';
import type { Predecessor } from './predecessor.ts';
import { dumpStacks, logStatistics, logStopped, stopMessage, type SupervisorFigures } from './reports.ts';
import { serverTransition, type ServerState } from './server-state.ts';
import { ServiceManager, type Staff } from './service-manager.ts';
import { SignalQueue, type Action, type ReceivedSignal } from './signals.ts';
import { Ticker } from './ticker.ts';
import { closed, type WorkerHandle } from './worker-handle.ts';

/**
 * One press of Ctrl-C under npm arrives twice, from the terminal and from npm, which passes it on; coreutils' timeout
 * does the same with TERM. A second stop signal within this time is taken for such an echo, milliseconds.
 */
const ECHO_MS = 50;
/** Stop hooks of the supervisor get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

export class Supervisor {
  readonly check: boolean;
  readonly clock: () => number;
  readonly deaths: Deaths;
  readonly listeners: Listeners;
  readonly manager: ServiceManager;
  /** As it was at the start: what is not changed by a reload. */
  readonly #loaded: LoadedConfig;
  readonly #log: Logger;
  readonly #pidfile: Pidfile;
  /** What the environment says of a process whose place this one takes. */
  readonly #handover: string | undefined;
  readonly #changes: Changes;
  readonly #ticker = new Ticker(() => this.#tick());
  readonly #signals = new SignalQueue(() => this.#ticker.wake());
  readonly #hooks: Hook[] = [];
  readonly #finished: PromiseWithResolvers<number> = Promise.withResolvers<number>();
  readonly #tests = new AbortController();
  /** The one that serves, or boots first. */
  #current: CommonServer | undefined;
  /** All that have workers, in the order in which they were made. */
  readonly #generations = new Set<CommonServer>();
  #made = 0;
  #account: Account | undefined;
  #control: Control | undefined;
  #watch: AppWatch | undefined;
  #state: ServerState = 'new';
  #hasServed = false;
  #exitCode = 0;
  #failure: WireError | undefined;
  #startedAt = 0;
  #stopBy = 0;
  #echoUntil = 0;
  /** The process that took this one's place. */
  #successor: number | undefined;

  constructor(loaded: LoadedConfig, { log, check = false, clock = () => performance.now() }: ServerOptions) {
    this.#loaded = loaded;
    this.#log = log;
    this.check = check;
    this.clock = clock;
    this.deaths = new Deaths(log, clock);
    this.listeners = new Listeners({ loaded, log });
    this.manager = new ServiceManager({ env: check ? {} : process.env, pid: process.pid, log, clock });
    this.#pidfile = new Pidfile(check ? '' : loaded.config.pidfile);
    this.#handover = takeHandover(process.env);
    this.#changes = new Changes({ log, supervisor: this });
  }

  get state(): ServerState {
    return this.#state;
  }

  get url(): string | undefined {
    return this.listeners.url;
  }

  get failure(): WireError | undefined {
    return this.#failure;
  }

  get account(): Account | undefined {
    return this.#account;
  }

  get spares(): Spares | undefined {
    return this.#watch?.spares;
  }

  /** How many generations there have been. */
  get made(): number {
    return this.#made;
  }

  /** The generation that serves. */
  get current(): CommonServer {
    if (!this.#current) throw new Error('nothing serves before run()');
    return this.#current;
  }

  /** Where it was called, as the shell named that. */
  get folder(): string {
    return this.#loaded.folder;
  }

  now(): number {
    return this.clock();
  }

  get changes(): Changes {
    return this.#changes;
  }

  get uptimeMs(): number {
    return this.clock() - this.#startedAt;
  }

  /** Of all generations. */
  get handles(): WorkerHandle[] {
    return [...this.#generations].flatMap(({ handles }) => handles);
  }

  nextGeneration(): number {
    this.#made += 1;
    return this.#made;
  }

  onStop(hook: Hook): void {
    this.#hooks.push(hook);
  }

  /** The next tick is due. */
  wake(): void {
    this.#ticker.wake();
  }

  /** Has the generation's workers started and watched. It does not serve alone before `promote`. */
  boot(server: CommonServer): Promise<WireError | undefined> {
    this.#generations.add(server);
    return server.boot();
  }

  /** From now on this generation is the service; the one before drains. */
  promote(server: CommonServer): void {
    const before = this.#current;
    this.#current = server;
    process.title = titleOf(server);
    before?.drain();
  }

  /** A change begins, or is over: what a service manager is told. */
  tellChange(phase: 'begins' | 'is over'): void {
    if (phase === 'begins') this.manager.reloading();
    else if (this.#state === 'serving') this.manager.ready(this.#staff());
  }

  /** Process `pid` is the service from now on, and has these files of sockets: this one drains and ends. */
  handOver(pid: number, taken: readonly string[]): void {
    this.#successor = pid;
    this.manager.mute();
    this.listeners.leave(taken);
    this.#stop(0);
  }

  /** No other process has taken this one's place after all. */
  takeBack(): void {
    try {
      this.#pidfile.write();
    } catch (error) {
      logError(this.#log, toWireError(error), '', 'error');
    }
    void this.manager.tellMainPid(process.pid);
    this.tellChange('is over');
  }

  async run(first: CommonServer): Promise<number> {
    this.#signals.install();
    this.#startedAt = this.clock();
    process.title = `tricorn: supervisor (${first.mode})`;
    try {
      if (this.#config.user !== '' || this.#config.group !== '') await this.#findAccount();
      const predecessor = await this.#meetPredecessor();
      await this.listeners.open({ bind: !this.check, owner: this.#account, predecessor });
      if (!predecessor) this.#pidfile.write();
      if (!this.check && !predecessor) await this.#openControl(false);
      void this.#start(first, predecessor);
      const code = await this.#finished.promise;
      await this.#runHooks();
      if (this.#hasServed) logStopped(this.#log, code, this.uptimeMs);
      return code;
    } catch (error) {
      return this.#refuse(error);
    } finally {
      this.#ticker.stop();
      for (const server of this.#generations) server.close();
      this.#changes.kill();
      this.#pidfile.remove();
      this.listeners.close();
      this.#signals.uninstall();
      this.#enter('stopped');
      // Last: whoever waits for the stop is told by it.
      this.#control?.close();
    }
  }

  /** A graceful stop; once begun, nothing more. */
  stop(): void {
    if (this.#state === 'serving') this.#stop(0, this.current.config.drain_delay);
    else if (this.#state === 'booting') this.#stop(0);
  }

  /** It cannot go on, mostly since the first boot failed: says why, once, and ends. */
  fail(error: WireError): void {
    this.#failure = error;
    logError(this.#log, error);
    this.#stop(error.exitCode);
  }

  get #config(): Config {
    return this.#loaded.config;
  }

  /** Its module is loaded only when asked for: the supervisor's memory is a budget. */
  async #findAccount(): Promise<void> {
    const { accountOf, giveLogfile } = await import('./account.ts');
    this.#account = accountOf(this.#config);
    if (this.#account && !this.check) giveLogfile(this.#config, this.#account);
  }

  /** Loaded apart, so that `check` and a control_socket of `none` do without. @param takeOver in an upgrade */
  async #openControl(takeOver: boolean): Promise<void> {
    const [{ openControl }, { operationsOf }] = await Promise.all([
      import('../control/open.ts'),
      import('./operations.ts'),
    ]);
    const operations = operationsOf(this);
    this.#control = await openControl({ config: this.#config, log: this.#log, operations, takeOver });
  }

  /** In an upgrade. Loaded only then: the supervisor's memory is a budget. */
  async #meetPredecessor(): Promise<Predecessor | undefined> {
    if (this.#handover === undefined || this.check) return undefined;
    const predecessor = new (await import('./predecessor.ts')).Predecessor(this.#handover, this.#log);
    predecessor.boots(this.#config);
    return predecessor;
  }

  async #start(first: CommonServer, predecessor: Predecessor | undefined): Promise<void> {
    this.promote(first);
    for (const warning of this.#loaded.warnings) this.#log.warn(warning);
    if (first.wanted().workers === 0) this.#log.warn('http_enable is false: no worker is started');
    this.#enter('booting');
    this.#ticker.start();
    const error = await this.boot(first);
    if (!error) await this.#watchApp();
    if (this.#state !== 'booting') return;
    const lost = this.listeners.lost();
    if (error) this.fail(error);
    else if (lost) this.fail(toWireError(lost));
    else if (!predecessor) this.#onReady(first);
    else await this.#takeOver(first, predecessor);
  }

  /** What the process before had, such as the pidfile, is this one's now. */
  async #takeOver(first: CommonServer, predecessor: Predecessor): Promise<void> {
    try {
      this.#pidfile.write(predecessor.pid);
    } catch (error) {
      return this.fail(toWireError(error));
    }
    await predecessor.letGo(this.listeners.taken);
    if (this.#state !== 'booting') return;
    this.listeners.own();
    // Not before: where the path is a given one, it was the predecessor's until now.
    await this.#openControl(true).catch((error: unknown) => logError(this.#log, toWireError(error), '', 'error'));
    this.#onReady(first);
  }

  /** Before it says that it is ready: what is saved from then on must not be missed. */
  async #watchApp(): Promise<void> {
    if (this.#config.dev === 'none' || this.check) return;
    const { watchApp } = await import('../dev/watch-app.ts');
    if (this.#state !== 'booting') return;
    const reload = (): Promise<Outcome> => this.#changes.request({ command: 'reload' });
    this.#watch = watchApp({ supervisor: this, log: this.#log, reload });
  }

  /** The supervisor's whole work. */
  #tick(): void {
    try {
      this.#handleSignals();
      for (const server of this.#generations) server.tick();
      this.#forgetGone();
      this.#changes.step();
      if (this.#state === 'serving') this.manager.tend(this.#staff());
      if (this.#state === 'stopping' && this.#generations.size === 0 && !this.#changes.isUpgrading)
        this.#finished.resolve(this.#exitCode);
    } catch (error) {
      // The service outlives a fault of its supervisor; the next tick sees the same facts again.
      this.#log.error({ err: error }, 'The supervisor met an error of its own');
    }
  }

  #handleSignals(): void {
    const handlers: Record<Action, (received: ReceivedSignal) => void> = {
      stop: ({ signal }) => this.#onStopSignal(signal),
      reload: () => void this.#changes.request({ command: 'reload' }),
      upgrade: () => void this.#changes.request({ command: 'upgrade' }),
      'scale-up': () => this.#onScale(1),
      'scale-down': () => this.#onScale(-1),
      'dump-stacks': () => dumpStacks(this.#log, this.handles),
      'log-statistics': () => logStatistics(this.#log, this.handles, this.#figures()),
    };
    for (const received of this.#signals.take()) handlers[received.action](received);
  }

  #onStopSignal(signal: NodeJS.Signals): void {
    if (this.clock() < this.#echoUntil) return;
    if (this.#successor !== undefined) return this.#refer(signal, this.#successor);
    if (this.#state === 'stopping') return this.#force(signal);
    this.#echoUntil = this.clock() + ECHO_MS;
    this.stop();
    // Said when nobody accepts any more and a further signal would be heeded, for somebody may act on it.
    const heeded = Promise.all([pass(ECHO_MS, undefined, { ref: false }), this.#isDelayed || closed(this.handles)]);
    const say = (): void => this.#log.info(stopMessage(signal, this.#stopBy - this.clock()));
    void Promise.race([this.#finished.promise, heeded]).then(say);
  }

  /** Who sends it means the service, maybe, which is another process now; if not, once more forces it. */
  #refer(signal: NodeJS.Signals, successor: number): void {
    this.#successor = undefined;
    this.#echoUntil = this.clock() + ECHO_MS;
    this.#log.warn(`${signal}: process ${successor} is the service now; this one ends when it has drained`);
  }

  #onScale(step: 1 | -1): void {
    if (this.#state === 'stopping') return;
    this.#log.info(this.current.scale(this.current.size + step));
  }

  #onReady(first: CommonServer): void {
    const form = first.workers.ready[0]?.form ?? 'no app';
    this.#enter('serving');
    if (this.check) {
      this.#log.info(`Check passed: ${first.config.app} is ${form} and boots`);
      return this.#stop(0);
    }
    this.#hasServed = true;
    this.#log.info(`Ready: ${first.describe()}, ${form}${this.listeners.describe()}`);
    this.manager.ready(this.#staff());
    if (this.#config.test_file !== '') void this.#runTests();
    else if (this.#config.stop_after_init) this.#stop(0);
  }

  async #runTests(): Promise<void> {
    const { runTestFile } = await import('./test-run.ts');
    const { test_file, stop_after_init } = this.#config;
    const code = await runTestFile(test_file, { url: this.url, signal: this.#tests.signal, log: this.#log });
    if (stop_after_init && this.#state === 'serving') this.#stop(code);
  }

  /** @param delay seconds in which all goes on as before, for load balancers that have to notice first */
  #stop(exitCode: number, delay = 0): void {
    this.#exitCode = exitCode;
    this.#stopBy = this.clock() + (delay + this.current.config.graceful_timeout) * 1000;
    this.#enter('stopping');
    this.manager.stopping();
    this.#tests.abort();
    this.#watch?.close();
    if (delay === 0) return this.#drain();
    this.#log.info(`Requests are served for drain_delay = ${delay} s more`);
    setTimeout(() => this.#drain(), delay * 1000).unref();
  }

  get #isDelayed(): boolean {
    return this.current.config.drain_delay > 0;
  }

  #drain(): void {
    // The last descriptor but those of the workers, who close theirs as they drain: then the kernel refuses.
    this.listeners.close();
    for (const server of this.#generations) server.drain(true);
    this.wake();
  }

  #force(signal: NodeJS.Signals): void {
    this.#log.warn('Forced shutdown.');
    for (const server of this.#generations) server.kill();
    this.#hooks.length = 0;
    this.#finished.resolve(128 + constants.signals[signal]);
  }

  /** Generations that drain are over with their last worker. */
  #forgetGone(): void {
    for (const server of this.#generations) {
      if (!server.isOver) continue;
      this.#generations.delete(server);
      server.close();
      if (server !== this.#current) this.#log.info(`Generation ${server.generation} has ended`);
    }
  }

  /** What run() could not even start with: the port, the pidfile. */
  #refuse(error: unknown): number {
    const wire = toWireError(error);
    this.#failure = wire;
    logError(this.#log, wire);
    return wire.exitCode;
  }

  async #runHooks(): Promise<void> {
    const left = this.#stopBy - this.clock();
    const errors = await runHooks(this.#hooks, Math.max(left, LEAST_HOOK_MS));
    for (const err of errors) this.#log.error({ err }, 'A stop hook of the supervisor failed');
  }

  #figures(): SupervisorFigures {
    const { poison, generation } = this.current;
    return { uptimeMs: this.uptimeMs, deaths: this.deaths.total, poison, generation };
  }

  #staff(): Staff {
    const { workers } = this.current;
    return { wanted: this.current.wanted().workers, serving: workers.serving.length, workers };
  }

  #enter(state: ServerState): void {
    this.#state = serverTransition(this.#state, state);
  }
}

function titleOf({ mode, config }: CommonServer): string {
  return `tricorn: supervisor (${mode}) ${config.app}`;
}
