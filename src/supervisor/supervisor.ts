/**
 * What outlives every generation of the service: its sockets, its signals and its tick, its pidfile and its exit code.
 * The states of the service are written down in server-state.ts; its changes, such as a reload, are made by changes.ts.
 */
import { monotonicMs } from '../builtins.ts';
import type { CommonServer, ServerOptions } from '../common-server.ts';
import type { Config, LoadedConfig } from '../config/config.ts';
import type { Spares } from '../dev/spares.ts';
import type { AppWatch } from '../dev/watch-app.ts';
import { logError, toWireError, type WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Control } from '../control/open.ts';
import type { Account } from './account.ts';
import { Changes } from './changes.ts';
import { Deaths } from './deaths.ts';
import { Ending } from './ending.ts';
import { Generations } from './generations.ts';
import { takeHandover } from './handover.ts';
import { Listeners } from './listeners.ts';
import type { HealthPort } from './health-port.ts';
import { findAccount, meetPredecessor, openControl, openHealthPort, watchAppOf } from './on-demand.ts';
import { Pidfile } from './pidfile.ts';
import type { Predecessor } from './predecessor.ts';
import { dumpStacks, logStatistics, logStopped, type SupervisorFigures } from './reports.ts';
import { serverTransition, type ServerState } from './server-state.ts';
import { ServiceManager } from './service-manager.ts';
import { SignalQueue, type Action, type ReceivedSignal } from './signals.ts';
import { Ticker } from './ticker.ts';
import { closed, type WorkerHandle } from './worker-handle.ts';

export class Supervisor {
  readonly check: boolean;
  readonly clock: () => number;
  readonly deaths: Deaths;
  readonly listeners: Listeners;
  readonly manager: ServiceManager;
  readonly changes: Changes;
  readonly generations: Generations;
  readonly ending: Ending;
  /** As it was at the start: what is not changed by a reload. */
  readonly #loaded: LoadedConfig;
  readonly #log: Logger;
  readonly #pidfile: Pidfile;
  /** What the environment says of a process whose place this one takes. */
  readonly #handover: string | undefined;
  readonly #ticker = new Ticker(() => this.#tick());
  readonly #signals = new SignalQueue(() => this.#ticker.wake());
  readonly #tests = new AbortController();
  #account: Account | undefined;
  #control: Control | undefined;
  #health: HealthPort | undefined;
  #watch: AppWatch | undefined;
  #state: ServerState = 'new';
  #hasServed = false;
  #startedAt = 0;
  /** When the last tick went well. */
  #tickedAt = 0;

  constructor(loaded: LoadedConfig, { log, check = false, clock = monotonicMs }: ServerOptions) {
    this.#loaded = loaded;
    this.#log = log;
    this.check = check;
    this.clock = clock;
    this.deaths = new Deaths(log, clock);
    this.listeners = new Listeners({ loaded, log });
    this.manager = new ServiceManager({ env: check ? {} : process.env, pid: process.pid, log, clock });
    this.#pidfile = new Pidfile(check ? '' : loaded.config.pidfile);
    this.#handover = takeHandover(process.env);
    this.changes = new Changes({ log, supervisor: this });
    this.generations = new Generations(log);
    this.ending = new Ending({
      log,
      clock,
      isStopping: () => this.#state === 'stopping',
      stop: () => this.stop(),
      kill: () => this.generations.kill(),
      shows: () => (this.current.config.drain_delay > 0 ? Promise.resolve() : closed(this.handles)),
    });
  }

  get state(): ServerState {
    return this.#state;
  }

  get url(): string | undefined {
    return this.listeners.url;
  }

  get account(): Account | undefined {
    return this.#account;
  }

  get spares(): Spares | undefined {
    return this.#watch?.spares;
  }

  /** The generation that serves. */
  get current(): CommonServer {
    return this.generations.current;
  }

  /** Where it was called, as the shell named that. */
  get folder(): string {
    return this.#loaded.folder;
  }

  get uptimeMs(): number {
    return this.clock() - this.#startedAt;
  }

  /** Milliseconds. */
  get sinceTickMs(): number {
    return this.clock() - this.#tickedAt;
  }

  /** Of all generations. */
  get handles(): WorkerHandle[] {
    return this.generations.handles;
  }

  /** The next tick is due. */
  wake(): void {
    this.#ticker.wake();
  }

  /** Has the generation's workers started and watched. It does not serve alone before `promote`. */
  boot(server: CommonServer): Promise<WireError | undefined> {
    this.generations.add(server);
    return server.boot();
  }

  /** A change begins, or is over: what a service manager is told. */
  tellChange(phase: 'begins' | 'is over'): void {
    if (phase === 'begins') this.manager.reloading();
    else if (this.#state === 'serving') this.manager.ready(this.generations.staff);
  }

  /** Process `pid` is the service from now on, and has these files of sockets: this one drains and ends. */
  handOver(pid: number, taken: readonly string[]): void {
    this.ending.successor = pid;
    this.manager.mute();
    this.listeners.leave(taken);
    if (this.listeners.isHealthForeign) this.#health?.leave();
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
    this.#startedAt = this.#tickedAt = this.clock();
    // Whoever probes the boot is told of it.
    this.generations.promote(first);
    let predecessor: Predecessor | undefined;
    try {
      if (!this.check) predecessor = await meetPredecessor(this.#handover, this.#log);
      predecessor?.boots(this.#config);
      this.#account = await findAccount(this.#config, this.check);
      await this.listeners.open({ bind: !this.check, owner: this.#account, predecessor });
      this.#health = await openHealthPort(this, { log: this.#log, predecessor });
      if (!predecessor) this.#pidfile.write();
      if (!this.check && !predecessor) await this.#openControl(false);
      void this.#start(first, predecessor);
      const code = await this.ending.finished;
      await this.ending.runHooks();
      if (this.#hasServed) logStopped(this.#log, code, this.uptimeMs);
      return code;
    } catch (error) {
      return this.#refuse(error, predecessor);
    } finally {
      this.#ticker.stop();
      this.generations.close();
      this.changes.kill();
      this.#pidfile.remove();
      await this.#health?.close();
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
    this.ending.failure = error;
    logError(this.#log, error);
    this.#stop(error.exitCode);
  }

  get #config(): Config {
    return this.#loaded.config;
  }

  get #terms(): { config: Config; log: Logger } {
    return { config: this.#config, log: this.#log };
  }

  async #openControl(takeOver: boolean): Promise<void> {
    this.#control = await openControl(this, { ...this.#terms, takeOver });
  }

  async #start(first: CommonServer, predecessor: Predecessor | undefined): Promise<void> {
    for (const warning of this.#loaded.warnings) this.#log.warn(warning);
    this.#enter('booting');
    this.#ticker.start();
    const error = await this.boot(first);
    // Before it says that it is ready: what is saved from then on must not be missed.
    if (!error && this.#config.dev !== 'none' && !this.check) this.#watch = await watchAppOf(this, this.#log);
    if (this.#state !== 'booting') return;
    const lost = this.listeners.lost();
    const why = error ?? (lost && toWireError(lost));
    if (why) predecessor?.fails(why);
    if (why) this.fail(why);
    else if (!predecessor) await this.#publish(first);
    else await this.#takeOver(first, predecessor);
  }

  /** What the process before had, such as the pidfile, is this one's now. */
  async #takeOver(first: CommonServer, predecessor: Predecessor): Promise<void> {
    try {
      this.#pidfile.write(predecessor.pid);
    } catch (error) {
      const wire = toWireError(error);
      predecessor.fails(wire);
      return this.fail(wire);
    }
    await predecessor.letGo(this.listeners.taken);
    if (this.#state !== 'booting') return;
    this.listeners.own();
    // Not before: where the path is a given one, it was the predecessor's until now.
    await this.#openControl(true).catch((error: unknown) => logError(this.#log, toWireError(error), '', 'error'));
    await this.#publish(first);
  }

  /** Whoever is told that it is ready finds the jobs in their store. One that is to stop at once does not come to serve. */
  async #publish(first: CommonServer): Promise<void> {
    const { stop_after_init, test_file } = this.#config;
    const isToServe = !this.check && (!stop_after_init || test_file !== '');
    if (isToServe) await first.publish();
    if (this.#state === 'booting') this.#onReady(first);
  }

  /** The supervisor's whole work. */
  #tick(): void {
    try {
      this.#handleSignals();
      this.generations.tick();
      this.changes.step();
      if (this.#state === 'serving') this.manager.tend(this.generations.staff);
      if (this.#state === 'stopping' && this.generations.size === 0 && !this.changes.isUpgrading) this.ending.finish();
      this.#tickedAt = this.clock();
    } catch (error) {
      // The service outlives a fault of its supervisor; the next tick sees the same facts again.
      this.#log.error({ err: error }, 'The supervisor met an error of its own');
    }
  }

  #handleSignals(): void {
    const handlers: Record<Action, (received: ReceivedSignal) => void> = {
      stop: ({ signal }) => this.ending.onSignal(signal),
      reload: () => void this.changes.request({ command: 'reload' }),
      upgrade: () => void this.changes.request({ command: 'upgrade' }),
      'scale-up': () => this.#onScale(1),
      'scale-down': () => this.#onScale(-1),
      'dump-stacks': () => dumpStacks(this.#log, this.handles),
      'log-statistics': () => logStatistics(this.#log, this.handles, this.#figures()),
    };
    for (const received of this.#signals.take()) handlers[received.action](received);
  }

  #onScale(step: 1 | -1): void {
    if (this.#state === 'stopping') return;
    this.#log.info(this.current.scale(this.current.size + step));
  }

  #onReady(first: CommonServer): void {
    const { form } = first;
    if (first.isIdle) this.#log.warn('http_enable is false, and there are no jobs: no worker runs');
    this.#enter('serving');
    if (this.check) {
      this.#log.info(`Check passed: ${first.config.app} is ${form} and boots`);
      return this.#stop(0);
    }
    this.#hasServed = true;
    this.#log.info(`Ready: ${first.describe()}, ${form}${this.listeners.describe()}`);
    this.manager.ready(this.generations.staff);
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
    this.ending.begin(exitCode, (delay + this.current.config.graceful_timeout) * 1000);
    this.#enter('stopping');
    this.manager.stopping();
    this.#tests.abort();
    this.#watch?.close();
    if (delay === 0) return this.#drain();
    this.#log.info(`Requests are served for drain_delay = ${delay} s more`);
    setTimeout(() => this.#drain(), delay * 1000).unref();
  }

  #drain(): void {
    // The last descriptor but those of the workers, who close theirs as they drain: then the kernel refuses.
    this.listeners.refuse();
    this.generations.drain();
    this.wake();
  }

  /** What run() could not even start with: the port, the pidfile. */
  #refuse(error: unknown, predecessor: Predecessor | undefined): number {
    const wire = toWireError(error);
    predecessor?.fails(wire);
    this.ending.failure = wire;
    logError(this.#log, wire);
    return wire.exitCode;
  }

  #figures(): SupervisorFigures {
    const { poison, generation } = this.current;
    return { uptimeMs: this.uptimeMs, deaths: this.deaths.total, poison, generation };
  }

  #enter(state: ServerState): void {
    this.#state = serverTransition(this.#state, state);
  }
}
