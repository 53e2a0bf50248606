/**
 * All worker processes of the service: starts, drains, buries and kills them so that there are as many as are wanted.
 * Lives in the supervisor. What a death or a failed boot means for the service is decided by whoever listens.
 */
import { EventEmitter } from 'node:events';
import type { WireError } from '../errors.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { Backoff } from '../roster/backoff.ts';
import { isDrainable, plan, retire } from '../roster/plan.ts';
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
  /** Its event loop is stuck; its monitor kills it, unless it drains in time. */
  stuck: [handle: WorkerHandle];
  /** One of its event loops is killed: it was stuck in this request. */
  killed: [handle: WorkerHandle, request: string];
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

/** What is remembered about a worker's number, whoever holds it. */
interface Slot {
  readonly backoff: Backoff;
  notBefore: number;
}

export class Workers extends EventEmitter<Events> {
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #launch: (number: number) => WorkerHandle;
  readonly #handles = new Set<WorkerHandle>();
  /** Workers that are to be recycled when the budget allows. */
  readonly #due = new Set<WorkerHandle>();
  readonly #slots = new Map<number, Slot>();

  constructor({ log, clock, launch }: WorkersOptions) {
    super();
    this.#log = log;
    this.#clock = clock;
    this.#launch = launch;
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

  /** Buries the dead, and decides when their replacements may start. */
  reap(): void {
    for (const handle of this.#handles) {
      if (handle.exit === undefined) continue;
      this.#handles.delete(handle);
      this.#due.delete(handle);
      if (!handle.exit.expected) this.#postpone(handle);
      this.emit('gone', handle, handle.exit);
    }
  }

  /** Carries each worker that is late to its next step. */
  escalate(): void {
    const now = this.#clock();
    for (const handle of this.#handles) {
      if (now < handle.deadline) continue;
      handle.deadline = Infinity;
      if (handle.state === 'starting') this.emit('late', handle);
      else if (handle.state === 'draining') {
        this.#log.warn({ worker: handle.number }, `${handle.name} did not end in time: killed`);
        handle.kill();
      }
    }
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
    const now = this.#clock();
    for (const number of plan(this.#handles, wanted).spawn) {
      if (now >= this.#slot(number).notBefore) this.#start(number);
    }
  }

  /** A worker that still boots has nothing to finish: it gets STARTING_MS instead. */
  drainAll(deadline: number): void {
    const soon = Math.min(deadline, this.#clock() + STARTING_MS);
    for (const handle of this.#handles) {
      if (isDrainable(handle)) handle.drain(handle.state === 'starting' ? soon : deadline);
    }
  }

  killAll(those: (handle: WorkerHandle) => boolean = () => true): void {
    for (const handle of this.#handles) if (those(handle)) handle.kill();
  }

  #start(number: number): void {
    const handle = this.#launch(number);
    this.#handles.add(handle);
    handle.on('state', (state) => {
      if (state === 'ready') this.emit('ready', handle);
      this.emit('change');
    });
    handle.on('worn', (reason) => this.#onWorn(handle, reason));
    handle.on('stuck', () => this.emit('stuck', handle));
    handle.on('killed', (request) => this.emit('killed', handle, request));
    handle.on('fatal', (error) => this.emit('fatal', handle, error));
    this.#log.debug({ worker: number, child: handle.pid }, `${handle.name} starts`);
  }

  #onWorn(handle: WorkerHandle, reason: string): void {
    this.#log.info({ worker: handle.number, reason }, `${handle.name} is due to be recycled: ${reason}`);
    this.#due.add(handle);
    this.emit('change');
  }

  #postpone({ number, readyAt }: WorkerHandle): void {
    const now = this.#clock();
    const wait = this.#slot(number).backoff.next(readyAt === undefined ? 0 : now - readyAt);
    this.#slot(number).notBefore = now + wait;
    this.#changeAt(now + wait);
  }

  /** Timers count whole milliseconds from when their loop last turned: one that comes too early is set again. */
  #changeAt(moment: number): void {
    const left = moment - this.#clock();
    if (left <= 0) this.emit('change');
    else setTimeout(() => this.#changeAt(moment), Math.ceil(left)).unref();
  }

  #slot(number: number): Slot {
    const slot = this.#slots.get(number) ?? { backoff: new Backoff(), notBefore: 0 };
    this.#slots.set(number, slot);
    return slot;
  }
}
