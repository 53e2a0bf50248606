/**
 * Whether a new generation is as good as the old one beside which it has served. Pure. docs/reload.md has the same rules
 * for people.
 *
 * What would differ between two copies of the same version, by chance alone, must not count: a share of the new
 * generation's requests is only held against it where it is over what is allowed by CHANCE standard errors.
 */
import type { Histogram } from './histogram.ts';

/** With fewer requests of the new generation nothing can be said. */
const LEAST_REQUESTS = 20;
/** With fewer of the old one nothing can be compared. So few suffice: where the new one hangs, the clients hang with it. */
const LEAST_BEFORE = 5;
/** Fewer errors are no pattern, whatever their rate. */
const LEAST_ERRORS = 5;
/** Error rates that differ by less (one percentage point) nobody would roll back for. */
const MORE_ERRORS = 0.01;
/** A p95 that is worse by less is noise of machine and neighbours, in times and in milliseconds: both must be passed. */
const TIMES_P95 = 1.5;
const MORE_P95_MS = 5;
/** Standard errors; chance alone passes three once in about 700 reloads. */
const CHANCE = 3;
const P95 = 0.95;

/** What a generation did while the canary ran. */
export interface Figures {
  readonly requests: number;
  /** Answered 5xx, or refused or cut by Tricorn. */
  readonly errors: number;
  readonly latencies: Histogram;
  /** Event loops that did not answer in time, since they are blocked. */
  readonly blocked: number;
}

export interface Verdict {
  /** `unknown`: too little traffic to say. */
  readonly is: 'good' | 'bad' | 'unknown';
  /** Of a bad one: what is worse. */
  readonly worse: string;
}

export function judge(next: Figures, old: Figures): Verdict {
  if (next.blocked > 0 && old.blocked === 0) return { is: 'bad', worse: 'an event loop is blocked' };
  if (next.requests < LEAST_REQUESTS || old.requests < LEAST_BEFORE) return { is: 'unknown', worse: '' };
  const worse = [
    ...(hasMoreErrors(next, old) ? [`error rate ${errorsOf(next)}, before ${errorsOf(old)}`] : []),
    ...(isSlower(next, old) ? [`p95 ${msOf(p95Of(next))}, before ${msOf(p95Of(old))}`] : []),
  ];
  if (worse.length > 0) return { is: 'bad', worse: worse.join('; ') };
  return { is: haveTimes(next, old) ? 'good' : 'unknown', worse: '' };
}

/** `p95 1.2 ms, errors 0.5 % (1 of 200)`. */
export function figuresText(figures: Figures): string {
  const p95 = figures.latencies.total > 0 ? msOf(p95Of(figures)) : 'unknown';
  return `p95 ${p95}, errors ${errorsOf(figures)}`;
}

/** As fields of the log. */
export function figuresFields(figures: Figures): Readonly<Record<string, number>> {
  const { requests, errors } = figures;
  return {
    requests,
    errors,
    error_rate: Number(rateOf(figures).toFixed(4)),
    p95_ms: Number(p95Of(figures).toFixed(2)),
    ...(figures.blocked > 0 && { blocked: figures.blocked }),
  };
}

function hasMoreErrors(next: Figures, old: Figures): boolean {
  const more = rateOf(next) - rateOf(old);
  if (next.errors < LEAST_ERRORS || more <= MORE_ERRORS) return false;
  // The test of two proportions: both are taken for samples of one rate.
  const both = (next.errors + old.errors) / (next.requests + old.requests);
  return more > CHANCE * Math.sqrt(both * (1 - both) * (1 / next.requests + 1 / old.requests));
}

/** Enough to compare: the first requests of an event loop have none that counts (src/worker/measure.ts). */
function haveTimes(next: Figures, old: Figures): boolean {
  return next.latencies.total >= LEAST_REQUESTS && old.latencies.total >= LEAST_BEFORE;
}

/** A p95 that is over the limit means that more than 5 % are: how many more tells whether by chance, in either sample. */
function isSlower(next: Figures, old: Figures): boolean {
  if (!haveTimes(next, old)) return false;
  const count = next.latencies.total;
  const before = old.latencies.total;
  const limit = p95Of(old) * TIMES_P95 + MORE_P95_MS;
  const allowed = 1 - P95;
  const chance = CHANCE * Math.sqrt(allowed * P95 * (1 / count + 1 / before));
  return next.latencies.above(limit) / count > allowed + chance;
}

function rateOf({ requests, errors }: Figures): number {
  return requests === 0 ? 0 : errors / requests;
}

function p95Of({ latencies }: Figures): number {
  return latencies.quantile(P95);
}

function errorsOf(figures: Figures): string {
  const percent = Number((rateOf(figures) * 100).toFixed(1));
  return `${percent} % (${figures.errors} of ${figures.requests})`;
}

function msOf(ms: number): string {
  return `${Number(ms.toFixed(ms < 10 ? 1 : 0))} ms`;
}
