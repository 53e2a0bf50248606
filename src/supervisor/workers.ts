/**
 * All worker processes of the service: starts, drains, buries and kills them so that there are as many as are wanted.
 * Lives in the supervisor. What a death or a failed boot means for the service is decided by whoever listens.
 */
import { EventEmitter } from 'node:events';
import type { WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Population } from '../server-options.ts';
import type { ToWorker } from '../protocol.ts';
import { isDrainable, plan, retire } from '../roster/plan.ts';
import { Slots } from '../roster/slots.ts';
import { earlyEnd } from './boot-errors.ts';
import { whereItStands } from './reports.ts';
import type { Exit, WorkerHandle } from './worker-handle.ts';

/** How long a worker that is stopped while it boots has for its end, milliseconds. */
const STARTING_MS = 2000;

interface Events {
  /** A worker changed its state, or may be started now: the next tick is due. */
  change: [];
  ready: [handle: WorkerHandle];
  /** It cannot boot and says why; it ends by itself. */
  fatal: [handle: WorkerHandle, error: WireError];
  gone: [handle: WorkerHandle, exit: Exit];
  /** A start, of a worker or a thread, has ended before it was ready. */
  failed: [reason: WireError];
  /** One that did not serve does now. */
  serving: [];
  /** It cannot go on: it drains, or is killed by its monitor. */
  stuck: [handle: WorkerHandle];
  /** One of its threads has died, or cannot go on. */
  lost: [handle: WorkerHandle, thread: number];
  /** One of its event loops is about to be killed: it is stuck in this request. */
  blame: [handle: WorkerHandle, request: string];
  /** It was not ready within boot_timeout. It still runs. */
  late: [handle: WorkerHandle];
}

export interface WorkersOptions {
  readonly log: Logger;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** Starts the worker of that number. */
  readonly launch: (number: number) => WorkerHandle;
}

export class Workers extends EventEmitter<Events> {
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #launch: (number: number) => WorkerHandle;
  readonly #handles = new Set<WorkerHandle>();
  /** Workers that are to be recycled when the budget allows. */
  readonly #due = new Set<WorkerHandle>();
  readonly #slots: Slots;

  constructor({ log, clock, launch }: WorkersOptions) {
    super();
    this.#log = log;
    this.#clock = clock;
    this.#launch = launch;
    this.#slots = new Slots({ clock, onDue: () => this.emit('change') });
  }

  [Symbol.iterator](): Iterator<WorkerHandle> {
    return this.#handles.values();
  }

  get size(): number {
    return this.#handles.size;
  }

  get ready(): WorkerHandle[] {
    return [...this.#handles].filter(({ state }) => state === 'ready' || state === 'retiring');
  }

  /** Those by whom requests are answered now. */
  get serving(): WorkerHandle[] {
    return this.ready.filter(({ serves }) => serves);
  }

  /**
   * So many there should be: takes the next step of everything that is under way.
   *
   * @param killTime for those that drain from now on: when they are killed, by the clock
   */
  keep(wanted: number, killTime: number): void {
    this.reap();
    this.escalate();
    this.recycle(wanted);
    this.cull(wanted, killTime);
    this.spawn(wanted);
  }

  tell(message: ToWorker): void {
    for (const handle of this.#handles) handle.send(message);
  }

  /** Buries the dead, and decides when their replacements may start. */
  reap(): void {
    for (const handle of this.#handles) {
      if (handle.exit === undefined) continue;
      this.#handles.delete(handle);
      this.#due.delete(handle);
      if (!handle.exit.expected) this.#slots.postpone(handle);
      this.emit('gone', handle, handle.exit);
      if (!handle.exit.expected && handle.readyAt === undefined) this.emit('failed', handle.fatal ?? earlyEnd(handle));
    }
  }

  /** Carries each worker that is late to its next step. */
  escalate(): void {
    const now = this.#clock();
    for (const handle of this.#handles) {
      if (now < handle.deadline) continue;
      handle.deadline = Infinity;
      if (handle.leaves) this.#killLeaving(handle);
      else if (handle.state === 'starting') this.emit('late', handle);
      else if (handle.state === 'draining') void this.#killLate(handle);
    }
  }

  /** It has called process.exit(), or Tricorn has: what the app has asked of the system has not come back. */
  #killLeaving(handle: WorkerHandle): void {
    const why = 'for a call outside of JavaScript does not return: killed';
    this.#log.error({ worker: handle.number }, `${handle.name} has called process.exit() and does not end, ${why}`);
    handle.kill();
  }

  /** It has drained for too long: its loop may be stuck. */
  async #killLate(handle: WorkerHandle): Promise<void> {
    const stands = await whereItStands(handle);
    if (handle.state === 'exited') return;
    this.#log.error({ worker: handle.number, ...stands }, `${handle.name} did not end in time: killed`);
    handle.kill();
  }

  /** Retires those that are due to be recycled, as far as the budget goes; the others wait. */
  recycle(wanted: number): void {
    for (const handle of retire(this.#handles, this.#due, wanted)) {
      handle.retire();
      this.#due.delete(handle);
    }
  }

  /** Drains those that are too many, or replaced. */
  cull(wanted: number, deadline: number): void {
    for (const handle of plan(this.#handles, wanted).drain) handle.drain(deadline);
  }

  /** Starts those that are missing, as far as their numbers need not wait. */
  spawn(wanted: number): void {
    for (const number of plan(this.#handles, wanted).spawn) {
      if (this.#slots.mayStart(number)) this.#start(number);
    }
  }

  /** A worker that still boots has nothing to finish: it gets STARTING_MS instead. @param final the service stops */
  drainAll(deadline: number, final = false): void {
    const soon = Math.min(deadline, this.#clock() + STARTING_MS);
    for (const handle of this.#handles) {
      if (isDrainable(handle)) handle.drain(handle.state === 'starting' ? soon : deadline, final);
    }
  }

  killAll(those: (handle: WorkerHandle) => boolean = () => true): void {
    for (const handle of this.#handles) if (those(handle)) handle.kill();
  }

  /** It cannot go on: it drains, and counts as dead. Its replacement starts at once, unless such things happen often. */
  replace(handle: WorkerHandle, deadline: number): void {
    if (!isDrainable(handle)) return;
    this.#slots.postpone(handle);
    handle.drain(deadline);
  }

  /** The next starts come slowly. */
  slowDown(): void {
    this.#slots.slowDown();
  }

  /** Nothing will be started any more. */
  stop(): void {
    this.#slots.stop();
  }

  /** Gives its workers to another generation. */
  release(): WorkerHandle[] {
    const handles = [...this.#handles];
    for (const handle of handles) handle.removeAllListeners();
    this.#handles.clear();
    this.#due.clear();
    return handles;
  }

  adopt(handles: readonly WorkerHandle[]): void {
    for (const handle of handles) this.#add(handle);
  }

  #start(number: number): void {
    const handle = this.#launch(number);
    this.#add(handle);
    this.#log.debug({ worker: number, child: handle.pid }, `${handle.name} starts`);
  }

  #add(handle: WorkerHandle): void {
    this.#handles.add(handle);
    handle.on('state', (state) => {
      if (state === 'ready') this.#onReady(handle);
      this.emit('change');
    });
    handle.on('threads', (failed) => this.#onThreads(handle, failed));
    handle.on('worn', (reason) => this.#onWorn(handle, reason));
    handle.on('lost', (thread) => this.emit('lost', handle, thread));
    handle.on('stuck', () => this.emit('stuck', handle));
    handle.on('blame', (request) => this.emit('blame', handle, request));
    handle.on('fatal', (error) => this.emit('fatal', handle, error));
  }

  #onReady(handle: WorkerHandle): void {
    this.emit('ready', handle);
    this.emit('serving');
  }

  #onThreads(handle: WorkerHandle, failed: WireError | undefined): void {
    if (failed) this.emit('failed', failed);
    else if (handle.serves) this.emit('serving');
    this.emit('change');
  }

  #onWorn(handle: WorkerHandle, reason: string): void {
    this.#log.info({ worker: handle.number, reason }, `${handle.name} is due to be recycled: ${reason}`);
    this.#due.add(handle);
    this.emit('change');
  }
}

/** Resolves when there are as many as wanted, or none are any more (undefined); with the reason when one could not start. */
export function staffed(workers: Workers, wanted: () => Population | undefined): Promise<WireError | undefined> {
  return until(workers, () => {
    const size = wanted();
    const { ready } = workers;
    return !size || (ready.length === size.workers && ready.every(({ loops }) => loops >= size.threads));
  });
}

/** Resolves when that worker drains, as it does once it is replaced, or has died; with the reason when one could not start. */
export function replaced(workers: Workers, handle: WorkerHandle): Promise<WireError | undefined> {
  return until(workers, () => !isDrainable(handle));
}

async function until(workers: Workers, isSo: () => boolean): Promise<WireError | undefined> {
  const { promise, resolve } = Promise.withResolvers<WireError | undefined>();
  const look = (): void => {
    if (isSo()) resolve(undefined);
  };
  workers.on('change', look).on('gone', look).on('failed', resolve);
  look();
  const reason = await promise;
  workers.off('change', look).off('gone', look).off('failed', resolve);
  return reason;
}
