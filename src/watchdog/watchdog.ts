/**
 * Watches one event loop from outside of it, and ends what is stuck in named steps: ask (it may still drain), abort
 * (its stack and its requests are taken and logged), kill. A job that is over its time is aborted and killed at once: it was
 * asked by its signal, which its own loop may be too busy to fire. Lives in the monitor thread of a worker process, or, for its
 * threads, in the main thread of a threaded worker.
 *
 * States: watching -> asked (a limit was exceeded) -> killed. A loop that beats again after it was asked is drained by
 * then, and ends by itself.
 */
import { nameRequests } from '../log/requests.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { LoopStack } from '../protocol.ts';
import type { Ledger, LedgerEntry } from '../worker/ledger.ts';
import { LoopWatch, type Verdict, type WatchLimits } from './loop-watch.ts';

/** From ask to abort, milliseconds. */
const ASK_MS = 1000;

/** How often it is looked whether a job is late, milliseconds. */
const JOBS_EVERY_MS = 500;

export interface Watched {
  /** `worker 1`, `thread 2`: for the log. */
  readonly name: string;
  readonly ledger: Ledger;
  /** Its jobs have their time in the ledger. */
  readonly runsJobs: boolean;
  /** CPU milliseconds that the loop has used. */
  cpuMs(): number | Promise<number>;
  /** Tells it to drain, and whoever starts its replacement. */
  ask(): void;
  stack(): Promise<Omit<LoopStack, 'thread'>>;
  /** Tells who keeps count of what kills loops, before the kill. */
  blame(request: string): void;
  kill(): void;
}

type State = 'watching' | 'asked' | 'killed';

export class Watchdog {
  readonly #watched: Watched;
  readonly #log: Logger;
  #everyMs: number = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #watch: LoopWatch | undefined;
  #state: State = 'watching';

  constructor(watched: Watched, log: Logger) {
    this.#watched = watched;
    this.#log = log;
  }

  /** Watches by these limits from now on. */
  watch(limits: WatchLimits): void {
    if (this.#state === 'killed') return;
    this.stop();
    this.#everyMs = this.#watched.runsJobs ? Math.min(lookEvery(limits), JOBS_EVERY_MS) : lookEvery(limits);
    this.#watch?.change(limits, this.#everyMs);
    if (this.#everyMs === Infinity) return;
    this.#timer = setInterval(() => void this.#look(limits), this.#everyMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(limits: WatchLimits): Promise<void> {
    if (this.#watched.ledger.leftMs <= 0 && this.#state === 'watching') return this.#endJob();
    const cpuMs = await this.#watched.cpuMs();
    const sight = { now: performance.now(), beats: this.#watched.ledger.beats, cpuMs };
    this.#watch ??= new LoopWatch(limits, this.#everyMs, sight);
    const verdict = this.#watch.look(sight);
    if (verdict.exceeded && this.#state === 'watching') this.#onExceeded(verdict);
  }

  #onExceeded({ exceeded, silentMs }: Verdict): void {
    this.#state = 'asked';
    const { name, ledger } = this.#watched;
    const silent = seconds(silentMs);
    this.#log.warn(
      { limit: exceeded, silent_s: silent },
      `${name}: its event loop has been blocked for ${silent} s, over ${exceeded}; asked to drain, aborted in ${ASK_MS / 1000} s`,
    );
    this.#watched.ask();
    const { beats } = ledger;
    setTimeout(() => void this.#abort(beats, silentMs), ASK_MS);
  }

  /** It was told by its signal, or could not be told, as long ago as it takes to heed it. */
  async #endJob(): Promise<void> {
    this.#state = 'asked';
    const { name, ledger } = this.#watched;
    const requests = nameRequests(ledger.entries());
    const { frames, unknown } = await this.#watched.stack();
    if (ledger.leftMs > 0) {
      // It has ended meanwhile.
      this.#state = 'watching';
      return;
    }
    this.stop();
    this.#state = 'killed';
    const stack = unknown ?? (frames.join('\n') || 'no JavaScript is running');
    this.#log.fatal({ ...requests, stack }, `${name}: its job is over its timeout, does not end, and is killed`);
    this.#watched.kill();
  }

  async #abort(beatsWhenAsked: number, silentMs: number): Promise<void> {
    const { name, ledger } = this.#watched;
    if (ledger.beats !== beatsWhenAsked) return;
    const requests = nameRequests(ledger.entries());
    const { frames, unknown, request = '' } = await this.#watched.stack();
    // That may take seconds where no JavaScript runs: one that turned meanwhile drains, and keeps its requests.
    if (ledger.beats !== beatsWhenAsked) return;
    this.stop();
    const stack = unknown ?? (frames.join('\n') || 'no JavaScript is running');
    // Fatal lines are written before this returns: the process may be gone in the next moment.
    this.#log.fatal(
      { silent_s: seconds(silentMs + ASK_MS), ...(request && { request }), ...requests, stack },
      `${name}: its event loop is stuck and is killed`,
    );
    this.#state = 'killed';
    const culprit = request || soleRequest(ledger.entries());
    if (culprit !== '') this.#watched.blame(culprit);
    this.#watched.kill();
  }
}

/** Where the code could not be asked to whom it belongs: one that is alone in flight is to blame, one of many is not. */
function soleRequest(entries: readonly LedgerEntry[]): string {
  return entries.length === 1 ? (entries[0]?.text ?? '') : '';
}

/** Often enough that a limit is exceeded by a quarter of itself at the most. Infinity = never. */
function lookEvery({ cpuMs, realMs }: WatchLimits): number {
  const shortest = Math.min(cpuMs, realMs);
  return shortest === Infinity ? Infinity : Math.min(Math.max(shortest / 4, 20), 1000);
}

function seconds(ms: number): number {
  return Number((ms / 1000).toFixed(1));
}
