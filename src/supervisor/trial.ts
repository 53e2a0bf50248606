/**
 * The canary: a few workers of the next generation serve beside all of the old one for a while, then both are compared.
 * The old generation is left as it is: what may have to serve on alone is not taken apart, and where a deploy has written
 * over its files it could not even be put together again.
 *
 * States, and how each is entered and left:
 *
 *   booting    the few start. Left when all of them are ready.
 *   measuring  both count their requests. Left when the time is over.
 *   judging    the figures are on their way. Left when they are there, or have been waited for long enough.
 *   over       passed, or given up; or by close(), whatever has come between. Final.
 */
import { setTimeout as pass } from 'node:timers/promises';
import { Histogram } from '../canary/histogram.ts';
import { canarySize, parseCanary, type CanaryPlan } from '../canary/share.ts';
import { figuresFields, figuresText, judge, type Figures } from '../canary/verdict.ts';
import type { CommonServer } from '../common-server.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { LoopFigures } from '../protocol.ts';
import { trialError } from './boot-errors.ts';
import type { WorkerHandle } from './worker-handle.ts';

/** A worker that has not told its figures after this time is blocked, milliseconds. Its threads have one second. */
const ANSWER_MS = 2000;

const BLOCKED: readonly LoopFigures[] = [{ blocked: true, requests: 0, errors: 0, latencies: [] }];

type Generation = Pick<
  CommonServer,
  'config' | 'generation' | 'giveUp' | 'limit' | 'mode' | 'onTrial' | 'staff' | 'workers'
>;

export interface TrialOptions {
  readonly next: Generation;
  readonly old: Generation;
  readonly log: Logger;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
  /** Called when the new generation has passed, or was given up. */
  readonly onJudged: () => void;
}

export class Trial {
  readonly #options: TrialOptions;
  readonly #plan: CanaryPlan;
  readonly #size: number;
  /** Those that have been told to count. */
  readonly #counting = new Set<WorkerHandle>();
  #state: 'booting' | 'measuring' | 'judging' | 'over' = 'booting';
  #until = Infinity;

  constructor(options: TrialOptions, plan: CanaryPlan) {
    const { next, old } = options;
    this.#options = options;
    this.#plan = plan;
    this.#size = canarySize(plan.share, { old: old.staff, wanted: next.staff });
    next.limit = this.#size;
    next.onTrial = true;
  }

  /** Undefined where none is wanted, or nothing can be compared. */
  static of(options: TrialOptions): Trial | undefined {
    const { next, old, log } = options;
    const plan = parseCanary(next.config.canary);
    if (!plan || next.staff === 0 || old.staff === 0) return undefined;
    if (next.mode === old.mode) return new Trial(options, plan);
    log.info(`Canary: none, for ${old.mode} and ${next.mode} cannot be compared`);
    return undefined;
  }

  /** What it does now, in a few words; '' where there is nothing to say. */
  get text(): string {
    if (this.#state === 'measuring') return `canary: ${this.#share}`;
    return this.#state === 'judging' ? 'canary: comparing' : '';
  }

  get #share(): string {
    return `${this.#size} of ${this.#size + this.#options.old.staff} workers, ${this.#plan.seconds} s`;
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** Its part of the tick. */
  step(): void {
    const { next, clock } = this.#options;
    if (this.#state === 'booting' && next.workers.ready.length >= this.#size) this.#begin();
    if (this.#state !== 'measuring') return;
    this.#countAll();
    if (clock() >= this.#until) void this.#end();
  }

  /** Nobody counts any more. */
  close(): void {
    this.#state = 'over';
    for (const handle of this.#counting) void handle.askFigures();
    this.#counting.clear();
  }

  #begin(): void {
    const { next, log, clock } = this.#options;
    this.#state = 'measuring';
    this.#until = clock() + this.#plan.seconds * 1000;
    log.info({ generation: next.generation }, `Canary: ${this.#share}`);
  }

  /** Those that have come since, too. */
  #countAll(): void {
    const { next, old } = this.#options;
    for (const handle of [...next.workers.ready, ...old.workers.ready]) {
      if (this.#counting.has(handle)) continue;
      this.#counting.add(handle);
      handle.send({ type: 'measure', on: true });
    }
  }

  async #end(): Promise<void> {
    const { next, old, log, onJudged } = this.#options;
    this.#state = 'judging';
    const [ofNext, ofOld] = await Promise.all([figuresOf(next.workers), figuresOf(old.workers)]);
    // It may have lost a worker meanwhile, or the service stops.
    if (this.isOver) return;
    const { is, worse } = judge(ofNext, ofOld);
    const fields = { generation: next.generation, new: figuresFields(ofNext), old: figuresFields(ofOld) };
    const said = `new ${figuresText(ofNext)}; old ${figuresText(ofOld)}`;
    this.close();
    if (is === 'bad') {
      log.warn(fields, `Canary failed: ${said}`);
      next.giveUp(trialError(worse));
    } else {
      log.info(
        fields,
        is === 'good' ? `Canary passed: ${said}` : `Canary: too little traffic to judge, it goes on: ${said}`,
      );
      next.onTrial = false;
    }
    onJudged();
  }
}

async function figuresOf(workers: Iterable<WorkerHandle>): Promise<Figures> {
  const serving = [...workers].filter(({ state }) => state === 'ready' || state === 'retiring');
  const loops = (await Promise.all(serving.map(told))).flat();
  const latencies = new Histogram();
  for (const loop of loops) latencies.merge(loop.latencies);
  const sum = (of: (loop: LoopFigures) => number): number => loops.reduce((all, loop) => all + of(loop), 0);
  return {
    requests: sum(({ requests }) => requests),
    errors: sum(({ errors }) => errors),
    latencies,
    blocked: sum(({ blocked }) => (blocked ? 1 : 0)),
  };
}

function told(handle: WorkerHandle): Promise<readonly LoopFigures[]> {
  return Promise.race([handle.askFigures(), pass(ANSWER_MS, BLOCKED, { ref: false })]);
}
