/**
 * The supervisor's view of one worker process; never runs app code (its other side is src/worker/). Its states are
 * written down in src/roster/plan.ts.
 */
import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import {
  encodeLine,
  isFromWorker,
  LIFELINE_FD,
  lineDecoder,
  type FromLifeline,
  type FromWorker,
  type LoopStack,
  type ToWorker,
  type WorkerBoot,
  type WorkerUsage,
} from '../protocol.ts';
import { transition, type MemberState } from '../roster/plan.ts';
import type { WireError } from '../errors.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** It was asked to go. */
  readonly expected: boolean;
}

interface Events {
  state: [state: MemberState];
  fatal: [error: WireError];
  usage: [usage: WorkerUsage];
  stacks: [loops: readonly LoopStack[]];
  stuck: [];
  /** One of its event loops is killed: it was stuck in this request. */
  killed: [request: string];
  worn: [reason: string];
}

export class WorkerHandle extends EventEmitter<Events> {
  readonly number: number;
  readonly generation: number;
  readonly role: WorkerBoot['role'];
  readonly pid: number;
  /** Milliseconds of the server's clock. */
  readonly startedAt: number;
  readyAt: number | undefined;
  /** When the next step of escalation is due: the end of boot_timeout, or of the drain. */
  deadline: number;
  /** How it ended, once exited. */
  exit: Exit | undefined;
  /** The form of app that it said it serves. */
  form = '';
  readonly #worker: Worker;
  readonly #clock: () => number;
  #state: MemberState = 'starting';

  constructor(worker: Worker, boot: WorkerBoot, clock: () => number) {
    super();
    this.number = boot.worker;
    this.generation = boot.generation;
    this.role = boot.role;
    this.pid = worker.process.pid ?? 0;
    this.#worker = worker;
    this.#clock = clock;
    this.startedAt = clock();
    this.deadline = this.startedAt + boot.config.boot_timeout * 1000;
    this.#listen();
    this.send(boot);
  }

  get state(): MemberState {
    return this.#state;
  }

  get name(): string {
    return `worker ${this.number} (pid ${this.pid})`;
  }

  send(message: ToWorker): void {
    // A worker that is just dying has no channel any more; its exit is on the way and says more.
    if (this.#worker.isConnected()) this.#worker.send(message, () => {});
  }

  /** It is due to be recycled, and serves until its replacement is ready. */
  retire(): void {
    this.#enter('retiring');
  }

  /** Step one of the escalation: ask. */
  drain(deadline: number): void {
    this.#enter('draining');
    this.deadline = deadline;
    this.send({ type: 'drain' });
  }

  /** The last step: the kernel ends it. */
  kill(): void {
    if (this.#state !== 'exited') this.#worker.process.kill('SIGKILL');
  }

  /** Answered by a `stacks` event, also while the worker's event loop is blocked. */
  askStacks(): void {
    this.#lifeline?.write(encodeLine({ type: 'stacks' }));
  }

  get #lifeline(): Socket | undefined {
    return (this.#worker.process.stdio[LIFELINE_FD] as Socket | null | undefined) ?? undefined;
  }

  #listen(): void {
    this.#worker.on('message', (message: unknown) => {
      if (isFromWorker(message)) this.#onMessage(message);
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
    if (message.type === 'stacks') this.emit('stacks', message.loops);
    else if (message.type === 'worn') this.emit('worn', message.reason);
    else if (message.type === 'killed') this.emit('killed', message.request);
    else this.emit('stuck');
  }

  #onExit(code: number | null, signal: string | null): void {
    this.exit = { code, signal, expected: this.#state === 'draining' };
    this.#lifeline?.destroy();
    this.#enter('exited');
  }

  #onMessage(message: FromWorker): void {
    if (message.type === 'fatal') this.emit('fatal', message.error);
    else if (message.type === 'usage') this.emit('usage', message);
    else if (message.type === 'worn') this.emit('worn', message.reason);
    else if (this.#state === 'starting') {
      this.form = message.form;
      this.readyAt = this.#clock();
      this.#enter('ready');
    }
  }

  #enter(state: MemberState): void {
    this.#state = transition(this.name, this.#state, state);
    this.emit('state', state);
  }
}
