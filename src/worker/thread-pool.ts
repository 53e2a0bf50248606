/**
 * The engine of threaded mode: the main thread accepts and hands each connection to the least busy of N threads. It
 * runs no app code, so it holds the lifeline itself and sees a thread that is stuck.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import { logError, type WireError } from '../errors.ts';
import type { Log } from '../log/open-log.ts';
import type { RequestInFlight } from '../log/requests.ts';
import { guardMemory } from '../limits/memory-guard.ts';
import { memoryLimits, type MemoryLimits } from '../limits/wear.ts';
import type { LoopFigures, LoopUsage, Poison, Renew, WorkerBoot } from '../protocol.ts';
import { CrashLoop } from '../roster/crash-loop.ts';
import { extraGrace } from '../roster/grace.ts';
import { isDrainable, plan, retire } from '../roster/plan.ts';
import { Slots } from '../roster/slots.ts';
import { watchLimits } from '../watchdog/limits.ts';
import { Watchdog, type Watched } from '../watchdog/watchdog.ts';
import { limitBoot } from './boot-limit.ts';
import { Descriptors } from './descriptors.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { tell } from './http-worker.ts';
import { leastBusy } from './least-busy.ts';
import { FlightRegions } from './flight-recorder.ts';
import { holdLifeline, type Lifeline } from './lifeline.ts';
import { PoolThread } from './pool-thread.ts';
import { ANSWER_MS, published, readiness, usageOf } from './thread-answers.ts';
import { Renewal } from './renewal.ts';
import { reportEnd, reportLate, stacksOf, stuckStack } from './thread-reports.ts';
import type { Terms } from './terms.ts';
import { Told } from './told.ts';

/** A thread gets this much longer than graceful_timeout, for its stop hooks, before it is ended, milliseconds. */
const KILL_GRACE_MS = 4000;
/** One that still boots has nothing to finish, milliseconds: as the supervisor has it with worker processes. */
const STARTING_MS = 2000;

export class ThreadPool implements Engine {
  readonly handsOn = true;
  /** For threads that start; another one with each renewal. */
  #boot: WorkerBoot;
  readonly #terms: Terms;
  readonly #log: Log;
  readonly #threads = new Set<PoolThread>();
  readonly #watchdogs = new Set<Watchdog>();
  readonly #slots = new Slots({ clock: () => performance.now(), onDue: () => this.#tend() });
  /** Threads that are to be recycled when the budget allows. */
  readonly #due = new Set<PoolThread>();
  /** Connections that came while no thread was ready. */
  readonly #waiting: Socket[] = [];
  /** For threads that start later: what they, too, have to refuse, and until when. */
  readonly #poison = new Map<string, number>();
  readonly #lifeline: Lifeline;
  readonly #regions: FlightRegions;
  /** What the threads themselves accept on. */
  readonly #descriptors: Descriptors;
  /** The ledgers' memory of threads that have ended: this thread makes so little garbage that it is hardly ever collected. */
  readonly #spares: SharedArrayBuffer[] = [];
  readonly #tellWorn: (reason: string) => void;
  readonly #crashLoop: CrashLoop;
  readonly #told = new Told();
  #wanted: number;
  #booted = false;
  #renewal: Renewal | undefined;
  /** Threads that count their requests, while a canary runs. */
  #measuring: Set<PoolThread> | undefined;
  #serving = false;
  #draining = false;

  constructor({ boot, terms, log, onWorn }: EngineOptions) {
    this.#boot = boot;
    this.#terms = terms;
    this.#log = log;
    this.#wanted = boot.threads;
    this.#crashLoop = new CrashLoop({ limit: boot.config.crash_loop_limit, clock: () => performance.now() });
    this.#regions = new FlightRegions(boot.recorder);
    this.#lifeline = holdLifeline(() => stacksOf(this.#threads));
    this.#descriptors = new Descriptors(boot.listeners);
    this.#tellWorn = onWorn;
    const kill = (): void => {
      this.#lifeline.tell({ type: 'killed' });
      log.flushSync();
      process.kill(process.pid, 'SIGKILL');
    };
    const limits = (): MemoryLimits => memoryLimits(terms.config, boot.role);
    const inflight = (): RequestInFlight[] => this.inflight();
    guardMemory({ name: `worker ${boot.worker}`, inflight, recycle: onWorn, kill }, limits, log.log);
    terms.follow((_config, changed) => this.#onLive(changed));
  }

  get form(): string {
    return this.#ready()[0]?.form ?? '';
  }

  get jobs(): number {
    return this.#ready()[0]?.jobs ?? 0;
  }

  /** Its threads do that, and wait for `go`. */
  async warmUp(): Promise<void> {
    for (const number of plan(this.#threads, this.#wanted).spawn) this.#spawn(number, this.#boot.warmFor);
  }

  /** A thread imports and starts in one go: all is done by start(). */
  async load(): Promise<void> {}

  async start(): Promise<void> {
    for (const thread of this.#threads) thread.send({ type: 'go' });
    for (const number of plan(this.#threads, this.#wanted).spawn) this.#spawn(number);
    await Promise.all([...this.#threads].map((thread) => readiness(thread, this.#boot.config.app)));
    this.#booted = true;
  }

  /** Threads that start later know it from their boot. */
  async publish(since: number): Promise<void> {
    this.#boot = { ...this.#boot, since };
    await Promise.all([...this.#threads].map((thread) => published(thread, since)));
  }

  accept(socket: Socket): void {
    const thread = leastBusy(this.#ready());
    if (thread) thread.give(socket);
    else this.#waiting.push(socket);
  }

  serve(): void {
    this.#serving = true;
    for (const thread of this.#ready()) this.#letAccept(thread);
    this.#tellReadiness();
  }

  async drain(final: boolean): Promise<void> {
    this.#serving = false;
    this.#descriptors.close();
    // What waits for a thread must get one before all of them go.
    if (this.#waiting.length > 0 && this.#threads.size === 0) this.#spawn(1);
    while (this.#waiting.length > 0 && this.#threads.size > 0) await this.#firstReady();
    this.#draining = true;
    this.#slots.stop();
    const exits = [...this.#threads].map((thread) => once(thread, 'exit'));
    for (const thread of this.#threads) if (isDrainable(thread)) this.#drainOne(thread, final);
    await Promise.all(exits);
  }

  resize(threads: number): void {
    this.#wanted = threads;
    this.#tend();
  }

  /** Where it fails, threads that start later have the old code, as far as it is still there. */
  async renew({ app, generation }: Renew): Promise<WireError | undefined> {
    const before = this.#boot;
    const config = { ...before.config, app };
    this.#boot = { ...before, config, generation };
    this.#renewal = new Renewal({ threads: this.#threads, generation, config });
    void this.#renewal.over.then((error) => error && (this.#boot = before));
    this.#tend();
    return this.#renewal.over;
  }

  /** Makes the threads as many and as fresh as they should be. Called whenever one of them changed. */
  #tend(): void {
    if (this.#draining) return;
    for (const thread of retire(this.#threads, this.#due, this.#wanted)) {
      thread.retire();
      this.#due.delete(thread);
    }
    for (const thread of plan(this.#threads, this.#wanted).drain) this.#drainOne(thread);
    this.#renewal?.step();
    for (const number of plan(this.#threads, this.#wanted).spawn) if (this.#slots.mayStart(number)) this.#spawn(number);
    this.#tellReadiness();
  }

  #onWorn(thread: PoolThread, reason: string): void {
    this.#log.log.info({ thread: thread.number, reason }, `${thread.name} is due to be recycled: ${reason}`);
    this.#due.add(thread);
    this.#tend();
  }

  #onLive(settings: Partial<Config>): void {
    const { role, config } = this.#boot;
    this.#boot = { ...this.#boot, config: { ...config, ...settings } };
    for (const thread of this.#threads) thread.send({ type: 'live', settings });
    for (const watchdog of this.#watchdogs) watchdog.watch(watchLimits(this.#terms.config, role));
  }

  refuseRoute(poison: Poison): void {
    this.#poison.set(poison.route, performance.now() + poison.ms);
    for (const thread of this.#threads) thread.send(poison);
  }

  abandon(): void {}

  /** Threads that have begun since then count, too; what has ended meanwhile is not asked any more. */
  async measure(on: boolean): Promise<LoopFigures[]> {
    const asked = [...(this.#measuring ?? [])];
    this.#measuring = on ? new Set(this.#ready()) : undefined;
    if (!on) return Promise.all(asked.map((thread) => thread.figures(ANSWER_MS)));
    for (const thread of this.#measuring ?? []) thread.send({ type: 'measure', on });
    return [];
  }

  usage(): Promise<LoopUsage[]> {
    return Promise.all([...this.#threads].map(usageOf));
  }

  inflight(): RequestInFlight[] {
    return [...this.#threads].flatMap(({ ledger }) => ledger.entries()).toSorted((a, b) => b.ageMs - a.ageMs);
  }

  #ready(): PoolThread[] {
    return [...this.#threads].filter(
      ({ state, ledger }) => (state === 'ready' || state === 'retiring') && !ledger.leaves,
    );
  }

  #spawn(number: number, warmFor?: string): void {
    const recorder = this.#regions.take();
    const boot = { ...this.#boot, thread: number, warmFor, ...(recorder && { recorder }) };
    const thread = new PoolThread(boot, this.#spares.pop());
    thread.on('exit', () => this.#regions.release(recorder));
    this.#threads.add(thread);
    const onLate = (error: WireError): void => this.#onLate(thread, error);
    limitBoot(thread, { config: boot.config, isAlone: () => this.#booted, onLate });
    const watchdog = new Watchdog(this.#watched(thread), this.#log.log);
    watchdog.watch(watchLimits(this.#terms.config, this.#boot.role));
    this.#watchdogs.add(watchdog);
    thread.on('exit', () => watchdog.stop());
    thread.on('exit', () => this.#watchdogs.delete(watchdog));
    thread.on('ready', () => this.#onReady(thread));
    thread.on('worn', (reason) => this.#onWorn(thread, reason));
    thread.on('health', () => this.#told.health(this.#ready()));
    thread.on('broken', () => this.#replace(thread));
    thread.on('exit', (code, expected) => {
      this.#onExit(thread, code, expected);
      this.#spares.push(thread.ledger.buffer);
    });
    // While booting the whole worker fails with it, and the supervisor says why.
    thread.on('fatal', (error) => this.#booted && logError(this.#log.log, error, `${thread.name}: `));
  }

  #watched(thread: PoolThread): Watched {
    return {
      name: thread.name,
      ledger: thread.ledger,
      runsJobs: this.#boot.role === 'cron',
      cpuMs: () => thread.cpuMs(),
      ask: () => this.#replace(thread),
      stack: () => stuckStack(thread),
      blame: (request) => this.#lifeline.tell({ type: 'blame', request }),
      kill: () => thread.kill(),
    };
  }

  /** It cannot go on: it drains, and counts as dead. Its replacement starts at once, unless such things happen often. */
  #replace(thread: PoolThread): void {
    if (isDrainable(thread)) {
      this.#onLost(thread);
      this.#drainOne(thread);
    }
    this.#tend();
  }

  /** It counts as dead from now on: one that is stuck outside of JavaScript cannot be ended before it returns. */
  #onLate(thread: PoolThread, error: WireError): void {
    thread.giveUp(error);
    this.#onLost(thread);
    this.#onStartFailed(thread);
    this.#tend();
  }

  /** It has died, or cannot go on. */
  #onLost(thread: PoolThread): void {
    this.#slots.postpone(thread);
    tell({ type: 'lost', thread: thread.number });
  }

  #onReady(thread: PoolThread): void {
    const { name, number } = thread;
    for (const [route, until] of this.#poison) {
      const ms = until - performance.now();
      if (ms > 0) thread.send({ type: 'poison', route, ms });
      else this.#poison.delete(route);
    }
    // At boot the supervisor speaks for all.
    if (this.#booted) this.#log.log.info({ thread: number }, `${name} is ready`);
    this.#measuring?.add(thread);
    if (this.#measuring) thread.send({ type: 'measure', on: true });
    for (const socket of this.#waiting.splice(0)) this.accept(socket);
    if (this.#serving) this.#letAccept(thread);
    if (this.#booted) this.#tend();
  }

  #letAccept(thread: PoolThread): void {
    const { spent } = this.#descriptors;
    const on = this.#descriptors.take();
    if (on.length > 0) thread.send({ type: 'listen', on });
    if (spent !== undefined) this.#tellWorn(`no descriptor of ${spent} is left for ${thread.name}`);
  }

  #onExit(thread: PoolThread, code: number, expected: boolean): void {
    this.#threads.delete(thread);
    this.#due.delete(thread);
    this.#measuring?.delete(thread);
    // At boot and in the drain of all, somebody waits for it and knows what it means.
    if (this.#draining || !this.#booted) return;
    if (!expected) this.#onLost(thread);
    if (!expected && thread.readyAt === undefined) this.#onStartFailed(thread);
    // Not where a renewal has failed: the old one has stayed.
    const isReplaced = plan(this.#threads, this.#wanted).spawn.length > 0;
    reportEnd(this.#log.log, thread, { code, expected, isReplaced });
    this.#tend();
  }

  /** The supervisor counts with the same rule, and says so; here only the pace changes. */
  #onStartFailed(thread: PoolThread): void {
    this.#renewal?.onFailed(thread);
    if (this.#crashLoop.failed(this.#ready().length > 0)) this.#slots.slowDown();
    this.#tellReadiness(thread.whyNotReady(this.#boot.config.app));
  }

  #tellReadiness(failed?: WireError): void {
    const ready = this.#ready();
    if (ready.length > 0) this.#crashLoop.ready();
    this.#told.readiness(ready, failed);
  }

  #drainOne(thread: PoolThread, final = false): void {
    const { role, config } = this.#boot;
    const patience = config.graceful_timeout * 1000 + extraGrace(role) + KILL_GRACE_MS;
    const ms = thread.state === 'starting' ? STARTING_MS : patience;
    thread.drain(final);
    const late = setTimeout(() => void this.#killLate(thread), ms);
    thread.once('exit', () => clearTimeout(late));
  }

  /** It has drained for too long: its loop may be stuck. */
  async #killLate(thread: PoolThread): Promise<void> {
    await reportLate(this.#log.log, thread);
    thread.kill();
  }

  async #firstReady(): Promise<void> {
    await Promise.race([...this.#threads].flatMap((thread) => [once(thread, 'ready'), once(thread, 'exit')]));
  }
}
