/**
 * CommonServer: the lifecycle of one generation of the service, the same for every mode: boot, tick, scale, drain. A
 * generation is one configuration and one mode with their workers; a reload makes the next one. Lives in the supervisor
 * process, which never imports or runs the app. What outlives a generation, such as the sockets and the signals, is in
 * src/supervisor/supervisor.ts.
 *
 * A mode is a subclass that says how many workers there should be (`population`) and what another size means (`resize`).
 * After Odoo's CommonServer (odoo/service/server.py) and unicorn's master loop.
 */
import { monotonicMs } from './builtins.ts';
import type { Config, LoadedConfig } from './config/config.ts';
import type { WireError } from './errors.ts';
import type { Mode, Population, ServerOptions } from './server-options.ts';
import type { Hook } from './supervisor/hooks.ts';
import { Crew } from './supervisor/crew.ts';
import { Incidents } from './supervisor/incidents.ts';
import { asideSettings, launchAside, launchCron, launchWorker, type Post } from './supervisor/launch.ts';
import { watchPoison } from './supervisor/poison-watch.ts';
import { extraGrace } from './roster/grace.ts';
import { Readiness } from './supervisor/readiness.ts';
import { hasStoreOfItsOwn } from './supervisor/own-store.ts';
import { freeze } from './supervisor/releases.ts';
import { generationTransition, type GenerationState, type ServerState } from './supervisor/server-state.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import type { WorkerHandle } from './supervisor/worker-handle.ts';
import { staffed, Workers } from './supervisor/workers.ts';

/** A worker gets this much longer than its graceful_timeout, for its stop hooks, before it is killed, milliseconds. */
const KILL_GRACE_MS = 5000;

export type { Mode, Population, ServerOptions } from './server-options.ts';

/** The workers of the mode, the evented one on a port of its own, and those that run jobs. */
export type Team = 'workers' | 'aside' | 'crew';

export abstract class CommonServer {
  abstract readonly mode: Mode;
  /** How many there are of what the mode counts: workers or threads. */
  abstract readonly size: number;

  /** Which workers there should be now. */
  protected abstract population(): Population;
  /** Takes another number of workers or threads, from 1 on. Returns what it did, for the log; undefined: it has but one. */
  protected abstract resize(size: number): string | undefined;
  /** The mode and its size in words, for the log. */
  abstract describe(): string;

  /** From 1. */
  readonly generation: number;
  /** Where its workers run. */
  readonly folder: string;
  readonly workers: Workers;
  /** What was given, for the server of the next generation. */
  readonly options: ServerOptions;
  /** No more workers than these for now, while a change goes on step by step. */
  limit: number = Infinity;
  /** Its workers serve beside those of another generation, to be compared: it is not yet to take over. */
  onTrial: boolean = false;
  #loaded: LoadedConfig;
  readonly #supervisor: Supervisor;
  readonly readiness: Readiness;
  readonly #poison: readonly ReturnType<typeof watchPoison>[];
  /** The evented worker on a port of its own, where there is one. */
  readonly #aside: Workers;
  /** The cron workers, where the app has jobs. */
  readonly crew: Workers;
  readonly #crew: Crew;
  readonly #incidents: Incidents;
  readonly #booted: PromiseWithResolvers<WireError | undefined> = Promise.withResolvers();
  #state: GenerationState = 'new';

  constructor(loaded: LoadedConfig, options: ServerOptions) {
    const { successorOf, ...others } = options;
    const { log, clock = monotonicMs } = others;
    const release = freeze(loaded);
    this.#loaded = release.loaded;
    this.folder = release.folder;
    this.options = others;
    this.#supervisor = successorOf ? successorOf.#supervisor : new Supervisor(this.loaded, options);
    this.generation = this.#supervisor.generations.nextNumber();
    const tools = { log, clock };
    const supervisor = this.#supervisor;
    this.workers = new Workers({ ...tools, launch: (number) => launchWorker(this, this.post(number), supervisor) });
    this.#aside = new Workers({ ...tools, launch: (number) => launchAside(this, number, supervisor) });
    this.crew = new Workers({ ...tools, launch: (number) => launchCron(this, number, this.#crew, supervisor) });
    for (const workers of this.#all) workers.on('change', () => supervisor.wake());
    this.#incidents = this.#watchIncidents();
    // What kills a cron worker is no route.
    const threshold = (): number => this.config.poison_threshold;
    this.#poison = [this.workers, this.#aside].map((workers) => watchPoison(workers, { threshold, log, clock }));
    this.#crew = new Crew({
      config: () => this.config,
      mode: () => this.mode,
      isCheck: this.#supervisor.check,
      mayHaveHad: successorOf ? successorOf.#crew.mayHaveHad : hasStoreOfItsOwn(this.loaded),
      members: this.crew,
      others: () => this.workers.ready,
    });
    this.readiness = new Readiness({
      workers: this.main,
      config: this.config,
      log,
      clock,
      isServing: () => this.#state === 'serving' && this.#supervisor.state === 'serving',
      onGivenUp: (error) => this.#supervisor.fail(error),
    });
  }

  #watchIncidents(): Incidents {
    const incidents = new Incidents({
      log: this.options.log,
      deaths: this.#supervisor.deaths,
      config: () => this.config,
      state: () => this.#state,
      isStopping: () => this.#supervisor.state === 'stopping',
      isOnTrial: () => this.onTrial,
      killTime: (workers) => this.#killTime(workers),
      onBootFailed: (error) => this.#onBootFailed(error),
    });
    for (const workers of this.#all) incidents.watch(workers, workers === this.workers);
    return incidents;
  }

  /** What is live in it may change. */
  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  get config(): Config {
    return this.#loaded.config;
  }

  /** What the service is there for: to serve HTTP, else to run jobs. */
  get main(): Workers {
    return this.config.http_enable ? this.workers : this.crew;
  }

  /** Of the service, whichever generation serves. */
  get state(): ServerState {
    return this.#supervisor.state;
  }

  /** Whether requests are answered now: false before ready, while it stops, and while no worker is ready. */
  get isReady(): boolean {
    return this.readiness.isReady;
  }

  /** Where the service listens; undefined before run() and with http_enable = false. */
  get url(): string | undefined {
    return this.#supervisor.url;
  }

  /** Why run() ended by itself: the boot failed, or a crash loop; undefined where it was asked to stop. */
  get failure(): WireError | undefined {
    return this.#supervisor.ending.failure;
  }

  /** Routes that are refused now, since they have killed event loops. */
  get poison(): string[] {
    return this.#poison.flatMap((list) => list.active()).map(({ route }) => route);
  }

  /** Runs `hook` in the supervisor once, after the last worker is gone, within what is left of graceful_timeout. */
  onStop(hook: Hook): void {
    this.#supervisor.ending.onStop(hook);
  }

  /** Serves until a signal ends it. Resolves with the exit code that the process should have. */
  run(): Promise<number> {
    return this.#supervisor.run(this);
  }

  /** Starts its workers. Resolves when all are ready, or with the reason why they will not be. */
  boot(): Promise<WireError | undefined> {
    this.#enter('booting');
    this.#supervisor.wake();
    return this.#booted.promise;
  }

  /** Its part of the supervisor's tick. */
  tick(): void {
    this.workers.keep(this.wanted().workers, this.#killTime(this.workers));
    this.#aside.keep(this.#state === 'draining' ? 0 : this.#staffAside, this.#killTime(this.#aside));
    this.#crew.hear();
    this.crew.keep(this.#wantedCrew, this.#killTime(this.crew));
    if (this.#state === 'booting' && !this.onTrial && this.#serves && this.#crew.isComplete) {
      this.#enter('serving');
      this.#booted.resolve(undefined);
    }
  }

  /** Whether all that serve HTTP are there. */
  get #serves(): boolean {
    return this.workers.ready.length >= this.staff && this.#aside.ready.length >= this.#staffAside;
  }

  /** Last of all, for only then is it known whether there are jobs. */
  get #wantedCrew(): number {
    if (this.#state === 'draining' || this.onTrial) return 0;
    return this.#state === 'booting' && !this.#serves ? 0 : this.#crew.wanted;
  }

  /** It is the service: its jobs count from now on. Resolves when the store knows them, or does not answer. */
  async publish(): Promise<void> {
    await this.#crew.publish();
    this.#supervisor.wake();
  }

  /** Takes another number of workers or threads. Returns what it did or why it did nothing, for the log. */
  scale(size: number): string {
    const done = this.resize(size);
    this.#supervisor.wake();
    return done ?? 'Evented mode has one event loop; --workers or --threads choose a mode that scales';
  }

  /** Goes on by a configuration that differs in live settings alone: those that run are told. */
  adjust(loaded: LoadedConfig, changed: Partial<Config>): void {
    this.#loaded = loaded;
    this.workers.tell({ type: 'live', settings: changed });
    this.#aside.tell({ type: 'live', settings: { ...changed, ...asideSettings } });
    this.#crew.adjust(changed);
    this.#supervisor.wake();
  }

  /** Resolves when it has as many of them, with their threads, as it should, or drains; with the reason when one could not start. */
  whenStaffed(team: Team): Promise<WireError | undefined> {
    const wanted = {
      workers: () => ({ ...this.population(), workers: this.staff }),
      aside: () => ({ workers: this.#staffAside, threads: 0 }),
      crew: () => this.#crew.population,
    };
    return staffed(this.teams[team], () => (this.#state === 'serving' ? wanted[team]() : undefined));
  }

  /** Nothing new is begun: its workers finish what they have, and end. @param final the service stops */
  drain(final = false): void {
    if (this.#state === 'draining') return;
    this.#enter('draining');
    this.#booted.resolve(undefined);
    for (const workers of this.#all) workers.drainAll(this.#killTime(workers), final);
    this.#supervisor.wake();
  }

  /** It is not to take over: it ends, and that is why. */
  giveUp(error: WireError): void {
    if (this.#state === 'booting') this.#incidents.failBoot(error);
  }

  /** How many workers it has when nothing is under way. */
  get staff(): number {
    if (this.#supervisor.check) return 1;
    return this.config.http_enable ? this.population().workers : 0;
  }

  /** In evented mode the one worker serves both ports. */
  get #staffAside(): number {
    const { evented_port, http_enable } = this.config;
    return evented_port > 0 && http_enable && this.mode !== 'evented' && !this.#supervisor.check ? 1 : 0;
  }

  get teams(): Readonly<Record<Team, Workers>> {
    return { workers: this.workers, aside: this.#aside, crew: this.crew };
  }

  get #all(): readonly Workers[] {
    return Object.values(this.teams);
  }

  /** All its workers, whatever their role. */
  get handles(): readonly WorkerHandle[] {
    return this.#all.flatMap((workers) => [...workers]);
  }

  /** It serves nothing, and has no jobs. */
  get isIdle(): boolean {
    return this.staff === 0 && this.#crew.size === 0;
  }

  /** What its app is, in words, as the first worker has told. */
  get form(): string {
    return this.handles.find(({ form }) => form !== '')?.form ?? 'no app';
  }

  /** Whether the last of its workers is gone, and none will be started. */
  get isOver(): boolean {
    return this.#state === 'draining' && this.#all.every(({ size }) => size === 0);
  }

  /** Its workers end at once. */
  kill(): void {
    for (const workers of this.#all) workers.killAll();
  }

  /** Nothing of it will be started any more. */
  close(): void {
    for (const workers of this.#all) workers.stop();
  }

  /** Which workers there should be now, all things considered. */
  wanted(): Population {
    const { threads } = this.population();
    const workers = this.#state === 'draining' ? 0 : Math.min(this.staff, this.limit);
    return { workers, threads: this.#supervisor.check ? Math.min(threads, 1) : threads };
  }

  /** What its worker of that number is to be. */
  post(worker: number): Post {
    return { role: this.mode === 'evented' ? 'evented' : 'http', worker, threads: this.wanted().threads };
  }

  /** The first reason counts. What has started ends. */
  #onBootFailed(error: WireError): void {
    this.#booted.resolve(error);
    for (const workers of this.#all) workers.killAll(({ state }) => state === 'starting');
    this.drain();
  }

  #killTime(workers: Workers): number {
    const grace = KILL_GRACE_MS + extraGrace(workers === this.crew ? 'cron' : 'http');
    return this.#supervisor.clock() + this.config.graceful_timeout * 1000 + grace;
  }

  #enter(state: GenerationState): void {
    this.#state = generationTransition(this.#state, state);
  }
}
