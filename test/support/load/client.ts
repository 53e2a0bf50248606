/** What every client of a load has, and its loop: one step after the other until the load is to stop. */
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { HttpConnection, type Target } from './connection.ts';
import type { Random } from './content.ts';
import { LoadFailure } from './failure.ts';
import type { Gate } from './gate.ts';
import type { ClientKind, Tally } from './tally.ts';

/** A client that failed waits before it goes on (ms): a server that is gone would get nothing but attempts. */
const AFTER_FAILURE_MS = 50;

export interface LoadOptions {
  /** The same seed asks for the same things; default 1. */
  readonly seed?: number;
  /** How many clients of each kind; those left out: none. */
  readonly clients: Readonly<Partial<Record<ClientKind, number>>>;
  /** Milliseconds of silence after which an answer counts as lost; default 30 s. */
  readonly timeoutMs?: number;
  /** At most this many requests on one connection; default 20. */
  readonly requestsPerConnection?: number;
  /** After so many the client ends a websocket; default 20, Infinity: the client never does. */
  readonly messagesPerSocket?: number;
  /** The length of an event stream; default 20, Infinity: it ends when the server ends it. */
  readonly eventsPerStream?: number;
}

/** Shared by the clients of a load. */
export interface LoadState {
  readonly url: URL;
  readonly tally: Tally;
  readonly options: Required<Omit<LoadOptions, 'clients' | 'seed'>>;
  /** Aborted when the load is to stop. */
  readonly stop: AbortSignal;
  /** The server is about to stop: it may refuse. */
  readonly mayRefuse: () => boolean;
  readonly gate: Gate;
}

export abstract class Client {
  readonly kind: ClientKind;
  readonly name: string;
  protected readonly state: LoadState;
  protected readonly random: Random;
  #mayGoOn = true;

  constructor(kind: ClientKind, number: number, state: LoadState, random: Random) {
    this.kind = kind;
    this.name = `${kind} ${number}`;
    this.state = state;
    this.random = random;
  }

  /** One or some requests. Rejects with a LoadFailure where one fails. */
  protected abstract step(): Promise<void>;
  /** Leaves what is still open. */
  protected abstract leave(): void;

  /** Resolves when it has finished: after stop, or when it is rightly refused. Never rejects. */
  async run(): Promise<void> {
    while (this.goesOn) {
      try {
        await this.step();
      } catch (error) {
        await this.#onFailure(error);
      }
      if (this.goesOn) await this.think();
      await this.state.gate.pass();
    }
    this.leave();
  }

  protected get goesOn(): boolean {
    return this.#mayGoOn && !this.state.stop.aborted;
  }

  /** A human or a program between two requests: some turns of the event loop, or some milliseconds. */
  protected async think(): Promise<void> {
    const turns = this.random.int(0, 6);
    if (turns > 3) await pause(turns);
    else for (let left = turns; left >= 0; left -= 1) await turn();
  }

  protected verified(who: string): void {
    this.state.tally.answer(this.kind, who);
  }

  protected connect(): HttpConnection {
    const { url, tally, options } = this.state;
    const target: Target = {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(url.port),
      timeoutMs: options.timeoutMs,
      onClosedIdle: () => (tally.notes.closedIdle += 1),
    };
    return new HttpConnection(target);
  }

  async #onFailure(error: unknown): Promise<void> {
    const { mayRefuse, tally, stop } = this.state;
    if (mayRefuse() && error instanceof LoadFailure) {
      if (error.kind === 'refused') tally.notes.refusedAtStop += 1;
      if (error.kind === 'reset on fresh') tally.notes.resetAtStop += 1;
      this.#mayGoOn = error.kind !== 'refused' && error.kind !== 'reset on fresh';
      if (!this.#mayGoOn) return;
    }
    tally.fail(this.name, error);
    if (!stop.aborted) await pause(AFTER_FAILURE_MS);
  }
}
