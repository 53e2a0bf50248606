/**
 * The supervisor's view of one worker process; never runs app code (its other side is src/worker/). Its states are
 * written down in src/roster/plan.ts.
 */
import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';
import {
  encodeLine,
  LEAVE_MS,
  LIFELINE_FD,
  lineDecoder,
  unwrap,
  type FromLifeline,
  type FromWorker,
  type LoopFigures,
  type LoopStack,
  type ToWorker,
  type WorkerBoot,
  type WorkerUsage,
} from '../protocol.ts';
import { transition, type MemberState } from '../roster/plan.ts';
import type { WireError } from '../errors.ts';
import { onceAwake } from './awake.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** It was asked to go. */
  readonly expected: boolean;
}

/** So long `closed` waits for a worker that is stuck, milliseconds. */
const CLOSE_MS = 1000;

/** Resolves when none of these workers, which drain, accepts any more; one that is stuck is not waited for. */
export async function closed(handles: Iterable<WorkerHandle>): Promise<void> {
  const all = Promise.all(Array.from(handles, (handle) => handle.closed));
  await Promise.race([all, pass(CLOSE_MS, undefined, { ref: false })]);
}

interface Events {
  state: [state: MemberState];
  fatal: [error: WireError];
  /** It cannot go on, because its event loop is stuck or nobody caught an error; it drains or is killed. */
  stuck: [];
  /** One of its event loops is about to be killed: it is stuck in this request. */
  blame: [request: string];
  worn: [reason: string];
  /** Threaded mode: how many threads are ready has changed, or a start of one has failed, and that is why. */
  threads: [failed: WireError | undefined];
  /** Threaded mode: one of its threads has died, or cannot go on. */
  lost: [thread: number];
}

export class WorkerHandle extends EventEmitter<Events> {
  readonly number: number;
  /** Another one once its threads have been renewed. */
  generation: number;
  readonly role: WorkerBoot['role'];
  readonly app: string;
  /** As it was started; 0 = the app runs in its main thread. */
  readonly threads: number;
  readonly pid: number;
  /** Milliseconds of the server's clock. */
  readonly startedAt: number;
  readyAt: number | undefined;
  /** When the next step of escalation is due: the end of boot_timeout, or of the drain, or of its leave. */
  deadline: number;
  /** How it ended, once exited. */
  exit: Exit | undefined;
  /** The form of app that it said it serves. */
  form = '';
  /** How many jobs it said the app has. */
  jobs = 0;
  /** How many of its event loops are ready, once it is. */
  loops: number;
  /** What the app in it said last of itself; of threads, of any that is ready. */
  isHealthy = true;
  /** It runs no JavaScript any more. */
  leaves = false;
  /** The log says already why it ends, or is about to. */
  explained = false;
  /** Why it could not boot, as far as that is known. */
  fatal: WireError | undefined;
  readonly #title: string;
  /** What it is to be told when it hears; undefined from then on. */
  #unheard: ToWorker[] | undefined = [];
  readonly #worker: Worker;
  readonly #clock: () => number;
  #stacks: PromiseWithResolvers<readonly LoopStack[]> | undefined;
  #usage: PromiseWithResolvers<WorkerUsage | undefined> | undefined;
  #renewed: PromiseWithResolvers<WireError | undefined> | undefined;
  #figures: PromiseWithResolvers<readonly LoopFigures[]> | undefined;
  #published: PromiseWithResolvers<void> | undefined;
  #closed: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  #state: MemberState = 'starting';

  /** @param title what it is called in the log, before its number */
  constructor(worker: Worker, boot: WorkerBoot, clock: () => number, title = 'worker') {
    super();
    this.#title = title;
    this.number = boot.worker;
    this.generation = boot.generation;
    this.role = boot.role;
    this.app = boot.config.app;
    this.threads = boot.threads;
    this.loops = Math.max(boot.threads, 1);
    this.pid = worker.process.pid ?? 0;
    this.#worker = worker;
    this.#clock = clock;
    this.startedAt = clock();
    this.deadline = this.startedAt + boot.config.boot_timeout * 1000;
    this.#listen();
    this.send(boot);
    onceAwake(worker, () => this.#onAwake());
  }

  get state(): MemberState {
    return this.#state;
  }

  get name(): string {
    return `${this.#title} ${this.number} (pid ${this.pid})`;
  }

  /** What commands call it: `2`, or, of those beside the workers of the mode, `cron-2`. */
  get label(): string {
    return this.#title === 'worker' ? String(this.number) : `${this.role}-${this.number}`;
  }

  /** Whether its entry runs: modules of --import are loaded before. */
  get isAwake(): boolean {
    return this.#unheard === undefined;
  }

  /** Whether requests are answered by it; false also where none of its threads is ready. */
  get serves(): boolean {
    return this.loops > 0 && (this.#state === 'ready' || this.#state === 'retiring');
  }

  /** Resolves when it accepts no more: while it drains, or with its end. */
  get closed(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#closed ??= Promise.withResolvers();
    return this.#closed.promise;
  }

  send(message: ToWorker): void {
    if (this.#unheard) this.#unheard.push(message);
    // A worker that is just dying has no channel any more; its exit is on the way and says more.
    else if (this.#worker.isConnected()) this.#worker.send(message, () => {});
    // Its event loop may be the one that is to be judged by them.
    if (message.type === 'live') this.#lifeline?.write(encodeLine(message));
  }

  /** Has it replaced as if it had reached a limit. */
  recycle(reason: string): void {
    this.emit('worn', reason);
  }

  /** It is due to be recycled, and serves until its replacement is ready. */
  retire(): void {
    this.#enter('retiring');
  }

  /** Step one of the escalation: ask. @param final the service stops */
  drain(deadline: number, final = false): void {
    this.#enter('draining');
    this.deadline = deadline;
    this.send({ type: 'drain', final });
  }

  /** The last step: the kernel ends it. */
  kill(): void {
    if (this.#state === 'exited') return;
    this.explained = true;
    this.#worker.process.kill('SIGKILL');
  }

  /** Answered also while the worker's event loop is blocked; with none where the worker ends before it has answered. */
  askStacks(): Promise<readonly LoopStack[]> {
    if (this.#state === 'exited') return Promise.resolve([]);
    if (!this.#stacks) this.#lifeline?.write(encodeLine({ type: 'stacks' }));
    this.#stacks ??= Promise.withResolvers();
    return this.#stacks.promise;
  }

  /** Answered by its main event loop, once it turns; with nothing where the worker ends before it has answered. */
  askUsage(): Promise<WorkerUsage | undefined> {
    if (this.#state === 'exited') return Promise.resolve(undefined);
    if (!this.#usage) this.send({ type: 'usage' });
    this.#usage ??= Promise.withResolvers();
    return this.#usage.promise;
  }

  /** What its event loops have counted since they were told to measure; they count no more. With none where it ends. */
  askFigures(): Promise<readonly LoopFigures[]> {
    if (this.#state === 'exited') return Promise.resolve([]);
    if (!this.#figures) this.send({ type: 'measure', on: false });
    this.#figures ??= Promise.withResolvers();
    return this.#figures.promise;
  }

  /** Replaces its threads by those of another generation. Resolves with the reason where that fails; also with its end. */
  renew(app: string, generation: number): Promise<WireError | undefined> {
    this.#renewed = Promise.withResolvers();
    this.send({ type: 'renew', app, generation });
    return this.#renewed.promise;
  }

  /**
   * Its generation serves: what its app declares about jobs counts. Resolves when the store knows them, or does not answer; one
   * that still boots is not waited for.
   */
  publish(since: number): Promise<void> {
    if (this.#state === 'exited') return Promise.resolve();
    this.#published ??= Promise.withResolvers();
    this.send({ type: 'publish', since });
    return this.#state === 'starting' ? Promise.resolve() : this.#published.promise;
  }

  get #lifeline(): Socket | undefined {
    return (this.#worker.process.stdio[LIFELINE_FD] as Socket | null | undefined) ?? undefined;
  }

  #listen(): void {
    this.#worker.on('message', (sent: unknown) => {
      const message = unwrap(sent);
      if (message) this.#onMessage(message);
    });
    this.#worker.on('error', () => {
      // A broken channel shows as an exit, too; a fork that failed has no process that could exit.
      if (this.pid === 0) this.#onExit(null, null);
    });
    this.#worker.on('exit', (code: number | null, signal: string | null) => {
      this.#onExit(code, signal);
    });
    const decode = lineDecoder<FromLifeline>((message) => this.#onLifeline(message));
    this.#lifeline?.on('data', decode).on('error', () => {
      // Its end is the worker's end: handled by exit.
    });
  }

  #onLifeline(message: FromLifeline): void {
    if (message.type === 'stacks') this.#onStacks(message.loops);
    else if (message.type === 'worn') this.emit('worn', message.reason);
    else if (message.type === 'blame') this.emit('blame', message.request);
    else if (message.type === 'killed') this.explained = true;
    else this.emit('stuck');
  }

  #onStacks(loops: readonly LoopStack[]): void {
    this.#stacks?.resolve(loops);
    this.#stacks = undefined;
  }

  #onClosed(): void {
    this.#isClosed = true;
    this.#closed?.resolve();
  }

  #onUsage(usage?: WorkerUsage): void {
    this.#usage?.resolve(usage);
    this.#usage = undefined;
  }

  #onFigures(loops: readonly LoopFigures[]): void {
    this.#figures?.resolve(loops);
    this.#figures = undefined;
  }

  #onExit(code: number | null, signal: string | null): void {
    this.exit = { code, signal, expected: this.#state === 'draining' };
    this.#lifeline?.destroy();
    this.#onStacks([]);
    this.#onUsage();
    this.#onFigures([]);
    this.#renewed?.resolve(undefined);
    this.#published?.resolve();
    this.#onClosed();
    this.#enter('exited');
  }

  #onMessage(message: FromWorker): void {
    if (message.type === 'fatal') this.#onFatal(message.error);
    else if (message.type === 'usage') this.#onUsage(message);
    else if (message.type === 'worn') this.emit('worn', message.reason);
    else if (message.type === 'broken') this.emit('stuck');
    else if (message.type === 'leaves') this.#onLeaves();
    else if (message.type === 'closed') this.#onClosed();
    else if (message.type === 'published') this.#published?.resolve();
    else if (message.type === 'renewed') this.#onRenewed(message.jobs, message.error);
    else if (message.type === 'measured') this.#onFigures(message.loops);
    else if (message.type === 'health') this.isHealthy = message.healthy;
    else if (message.type === 'lost') this.emit('lost', message.thread);
    else if (message.type === 'threads') this.#onThreads(message.ready, message.failed);
    else if (message.type === 'ready' && this.#state === 'starting') {
      this.form = message.form;
      this.jobs = message.jobs;
      this.readyAt = this.#clock();
      this.#enter('ready');
    }
  }

  #onAwake(): void {
    const unheard = this.#unheard ?? [];
    this.#unheard = undefined;
    for (const message of unheard) this.send(message);
  }

  #onLeaves(): void {
    this.leaves = true;
    this.deadline = Math.min(this.deadline, this.#clock() + LEAVE_MS);
  }

  #onRenewed(jobs: number, error?: WireError): void {
    if (!error) this.jobs = jobs;
    this.#renewed?.resolve(error);
  }

  #onFatal(error: WireError): void {
    this.explained = true;
    this.fatal = error;
    this.emit('fatal', error);
  }

  #onThreads(ready: number, failed: WireError | undefined): void {
    this.loops = ready;
    this.emit('threads', failed);
  }

  #enter(state: MemberState): void {
    this.#state = transition(this.name, this.#state, state);
    this.emit('state', state);
  }
}
