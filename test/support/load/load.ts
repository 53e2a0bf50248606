/**
 * A load that verifies every byte of every answer of test/fixtures/apps/load-app.ts, while a test reloads, scales,
 * recycles or kills what answers.
 *
 *     const load = startLoad(server.url, { clients: { keepAlive: 4, fresh: 2 } });
 *     t.teardown(() => load.stop());
 *     await load.until(100);
 *     const report = await load.stop();
 *     t.strictSame(report.failures, [], formatReport(report));
 */
import type { Client, LoadOptions, LoadState } from './client.ts';
import { Random } from './content.ts';
import { Gate } from './gate.ts';
import {
  DownloadClient,
  FreshClient,
  KeepAliveClient,
  PipelinedClient,
  SseClient,
  UploadClient,
} from './http-clients.ts';
import { type ClientKind, type Failure, type LoadReport, Tally } from './tally.ts';
import { WebsocketClient } from './websocket-client.ts';

const kinds: Readonly<
  Record<ClientKind, new (kind: ClientKind, number: number, state: LoadState, random: Random) => Client>
> = {
  keepAlive: KeepAliveClient,
  fresh: FreshClient,
  pipelined: PipelinedClient,
  upload: UploadClient,
  download: DownloadClient,
  sse: SseClient,
  websocket: WebsocketClient,
};

export class Load {
  readonly #tally: Tally = new Tally();
  readonly #stop: AbortController = new AbortController();
  readonly #gate: Gate;
  readonly #finished: Promise<unknown>;
  #mayRefuse = false;

  constructor(url: string, { seed = 1, clients, ...given }: LoadOptions) {
    const defaults = { timeoutMs: 30_000, requestsPerConnection: 20, messagesPerSocket: 20, eventsPerStream: 20 };
    this.#gate = new Gate(Object.values(clients).reduce((sum, count) => sum + count, 0));
    const state: LoadState = {
      gate: this.#gate,
      url: new URL(url),
      tally: this.#tally,
      options: { ...defaults, ...given },
      stop: this.#stop.signal,
      mayRefuse: () => this.#mayRefuse,
    };
    const random = new Random(seed);
    const all = (Object.entries(clients) as [ClientKind, number][]).flatMap(([kind, count]) =>
      Array.from({ length: count }, (_, index) => new kinds[kind](kind, index + 1, state, new Random(random.uint32()))),
    );
    this.#finished = Promise.all(all.map((client) => client.run())).then(() => this.#tally.giveUp());
  }

  /** Everybody who has answered, as `pid.thread.generation`. */
  get servedBy(): ReadonlySet<string> {
    return this.#tally.servedBy;
  }

  /** Resolves with the first failure. */
  get failure(): Promise<Failure> {
    return this.#tally.failure.promise;
  }

  /** Resolves when `count` more answers are verified; rejects at the first failure, with the report as its message. */
  until(count: number): Promise<void> {
    const enough = this.#tally.total + count;
    return this.#tally.until(() => this.#tally.total >= enough);
  }

  /** Resolves when somebody has answered who was not in `known`; rejects as until() does. */
  async untilOther(known: ReadonlySet<string>): Promise<void> {
    const before = new Set(known);
    return this.#tally.until(() => [...this.#tally.servedBy].some((who) => !before.has(who)));
  }

  /** No client begins anything until resume(). Resolves when what they had begun is answered. */
  pause(): Promise<void> {
    return this.#gate.shut();
  }

  resume(): void {
    this.#gate.open();
  }

  /** The server is about to stop: from now on a client that is refused has finished, and that is no failure. */
  expectStop(): void {
    this.#mayRefuse = true;
  }

  /** Resolves when every client has been refused, after expectStop(): all that they had asked for is answered or lost. */
  async refused(): Promise<LoadReport> {
    await this.#finished;
    return this.#tally.report();
  }

  /** Every client finishes what it has begun. */
  async stop(): Promise<LoadReport> {
    this.#stop.abort();
    this.resume();
    await this.#finished;
    return this.#tally.report();
  }
}

export function startLoad(url: string, options: LoadOptions): Load {
  return new Load(url, options);
}
