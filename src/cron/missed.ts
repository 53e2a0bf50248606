/**
 * Pure: which tick a job may take at a moment, by its policy for those that it missed, and what a wall clock that jumps does
 * to that. A tick counts as missed whatever the reason: nothing was running, no worker was free, the job itself ran too long.
 */
import type { Missed, Rhythm } from './job.ts';
import { tickAfter, ticksUntil } from './schedule.ts';

/** The part of a job's state that this is about. */
export interface Ticking {
  readonly rhythm: Rhythm;
  readonly missed: Missed;
  /** What the ticks of `every` are counted from. */
  readonly anchor: number;
  /** The first tick that nobody has taken; null where none will come. */
  readonly nextTick: number | null;
  /** The last one that was taken. */
  readonly lastTick: number | null;
}

export interface Taken {
  /** Undefined where none is to be run. */
  readonly tick: number | undefined;
  readonly nextTick: number | null;
  readonly lastTick: number | null;
}

/** With `all`, older ones are given up. */
const MOST_MISSED = 100;
/** A tick that is taken this late, milliseconds, is not missed yet: workers may have been busy, or just restarted. */
const IN_TIME_MS = 60_000;
/** Machines' clocks differ; up to here that is no jump, milliseconds. */
export const SKEW_MS = 60_000;
/** A clock that is set back by more was wrong before: it is believed at once. As in Vixie cron. */
const CORRECTION_MS = 3 * 3_600_000;
/** Jobs this frequent follow a clock that is set back; rarer ones wait until it has caught up, for they have run. */
const FREQUENT_MS = 3_600_000;

/** Takes the tick that is due, if any. */
export function takeTick(ticking: Ticking, now: number): Taken {
  const { rhythm, missed, anchor } = ticking;
  const { nextTick, lastTick } = followClock(ticking, now);
  if (nextTick === null || nextTick > now) return { tick: undefined, nextTick, lastTick };
  const due = ticksUntil(rhythm, now, { anchor, from: nextTick, most: missed === 'all' ? MOST_MISSED : 1 });
  const tick = due[0] ?? nextTick;
  if (missed === 'all') return { tick, nextTick: nextAfter(ticking, tick), lastTick: tick };
  const isLate = missed === 'skip' && now - tick > IN_TIME_MS;
  return { tick: isLate ? undefined : tick, nextTick: nextAfter(ticking, now), lastTick: tick };
}

/** The first tick after a moment, as it is stored. */
export function nextAfter({ rhythm, anchor }: Pick<Ticking, 'rhythm' | 'anchor'>, after: number): number | null {
  const tick = tickAfter(rhythm, after, anchor);
  return Number.isFinite(tick) ? tick : null;
}

/** Whether the clock seems to have been set back: the last tick lies in the future. */
export function isAheadOf(lastTick: number, now: number): boolean {
  return lastTick - now > SKEW_MS;
}

/** Begins anew where the clock was set back so that waiting for the next tick would be wrong. */
function followClock(ticking: Ticking, now: number): Pick<Ticking, 'nextTick' | 'lastTick'> {
  const { nextTick, lastTick } = ticking;
  if (nextTick === null || lastTick === null || !isAheadOf(lastTick, now)) return { nextTick, lastTick };
  const isToFollow = lastTick - now > CORRECTION_MS || nextTick - lastTick <= FREQUENT_MS;
  return isToFollow ? { nextTick: nextAfter(ticking, now), lastTick: null } : { nextTick, lastTick };
}
