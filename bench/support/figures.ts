/** Pure: from samples to the figures of the report. */
import type { LoadName } from './load.ts';
import type { Measured, Sample } from './measure.ts';
import type { TargetName } from './targets.ts';

/** So large a share of the slices counts as quiet. */
const QUIET = 0.25;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

export interface LoadFigures {
  readonly requestsPerSecond: number;
  readonly p99: number;
  /** Microseconds per request. */
  readonly cpu: number;
  /** Of a thread, per request. */
  readonly sleeps: number;
  readonly errors: number;
}

/** Medians over all rounds; undefined where the target was not measured under this load. */
export function loadFigures({ samples }: Measured, target: TargetName, load: LoadName): LoadFigures | undefined {
  const own = of(samples, target, load);
  if (own.length === 0) return undefined;
  return {
    requestsPerSecond: median(own.map((sample) => sample.requestsPerSecond)),
    p99: median(own.map((sample) => sample.p99)),
    cpu: median(own.map((sample) => sample.cpu)),
    sleeps: median(own.map((sample) => sample.sleeps)),
    errors: own.reduce((sum, sample) => sum + sample.errors, 0),
  };
}

export interface Ratio {
  readonly value: number;
  /** Quartiles of the ratios of each round: half of all rounds lie between them. */
  readonly low: number;
  readonly high: number;
}

/**
 * CPU per request of `target` as a multiple of that of `base`: the quotient of their lower quartiles. What else runs on
 * the machine takes caches and clock speed from a server, and so only ever adds; the quieter slices tell most of it.
 */
export function cpuRatio(
  { samples }: Measured,
  target: TargetName,
  base: TargetName,
  load: LoadName,
): Ratio | undefined {
  const bases = new Map(of(samples, base, load).map(({ round, cpu }) => [round, cpu]));
  const own = of(samples, target, load);
  if (own.length === 0) return undefined;
  const ratios = own.map(({ round, cpu }) => cpu / (bases.get(round) ?? Number.NaN));
  const quiet = (values: Iterable<number>): number => quantile([...values], QUIET);
  const value = quiet(own.map(({ cpu }) => cpu)) / quiet(bases.values());
  return { value, low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.round((values.length - 1) * share)] ?? Number.NaN;
}

export interface IdleFigures {
  readonly startMs: number;
  /** Bytes of the process that was started first. */
  readonly first: number;
  /** Bytes of each of the others. */
  readonly others: readonly number[];
  /** Bytes of all together, shared pages counted once. */
  readonly pss: number;
}

/** Medians over all starts. */
export function idleFigures({ starts }: Measured, target: TargetName): IdleFigures {
  const own = starts.filter((start) => start.target === target);
  const processes = own[0]?.memory.length ?? 0;
  const rss = (index: number): number => median(own.map(({ memory }) => memory[index]?.rss ?? Number.NaN));
  return {
    startMs: median(own.map(({ startMs }) => startMs)),
    first: rss(0),
    others: Array.from({ length: Math.max(0, processes - 1) }, (_, index) => rss(index + 1)),
    pss: median(own.map(({ memory }) => memory.reduce((sum, { pss }) => sum + pss, 0))),
  };
}

function of(samples: readonly Sample[], target: TargetName, load: LoadName): Sample[] {
  return samples.filter((sample) => sample.target === target && sample.load === load);
}
