/**
 * Pure: when the ticks of a job are, in its own zone. A time of day that the change to summer time leaves out ticks right
 * after the gap; one that the change back brings twice ticks the first time (Vixie cron's rule, which croner follows).
 * All times are milliseconds since 1970.
 */
import { Cron } from 'croner';
import type { Rhythm } from './job.ts';

const parsed = new Map<string, Cron>();
/** Parsed expressions that are kept: more jobs than any app has. */
const KEPT = 1000;

/** @throws croner's TypeError or RangeError where the expression or the zone is none */
export function parseCron(cron: string, timezone: string): Cron {
  const key = `${timezone} ${cron}`;
  const known = parsed.get(key);
  if (known) return known;
  // Without a function, croner only calculates: it sets no timer. A list of hours is a time of day as well as one hour is.
  const made = new Cron(cron, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' });
  if (parsed.size >= KEPT) parsed.clear();
  parsed.set(key, made);
  return made;
}

/**
 * The first tick after a moment; Infinity where there is none.
 *
 * @param anchor what the ticks of `every` are counted from
 */
export function tickAfter(rhythm: Rhythm, after: number, anchor: number): number {
  if ('everyMs' in rhythm) return anchor + (Math.floor((after - anchor) / rhythm.everyMs) + 1) * rhythm.everyMs;
  return parseCron(rhythm.cron, rhythm.timezone).nextRun(new Date(after))?.getTime() ?? Infinity;
}

/** The last ticks up to a moment, itself included, the oldest first: at most `most` of them, none before `from`. */
export function ticksUntil(
  rhythm: Rhythm,
  until: number,
  { anchor, from, most }: { readonly anchor: number; readonly from: number; readonly most: number },
): number[] {
  const found =
    'everyMs' in rhythm ? lastOfEvery(rhythm.everyMs, until, anchor, most) : lastOfCron(rhythm, until, most);
  return found.filter((tick) => tick >= from && tick <= until);
}

function lastOfEvery(everyMs: number, until: number, anchor: number, most: number): number[] {
  const last = anchor + Math.floor((until - anchor) / everyMs) * everyMs;
  return Array.from({ length: most }, (_, index) => last - (most - 1 - index) * everyMs);
}

function lastOfCron({ cron, timezone }: { cron: string; timezone: string }, until: number, most: number): number[] {
  // croner looks for runs before a whole second.
  const before = new Date(Math.floor(until / 1000) * 1000 + 1000);
  const runs = parseCron(cron, timezone).previousRuns(most, before);
  return runs.map((run) => run.getTime()).toReversed();
}
