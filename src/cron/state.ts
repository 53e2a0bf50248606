/**
 * Pure: what the store keeps of a job, and the changes that do not run it. The engines only load it under a lock, apply one
 * of these functions or of those in run-state.ts, and save it: so they cannot differ in what they mean.
 *
 * A tick is taken by moving `nextTick` on in the same transaction that makes it `open`; it stays open until a run of it has
 * succeeded or was given up. So a tick runs once, whoever asks, and is not lost when its worker is.
 *
 * | state of a job | it is | entered by | left by |
 * | --- | --- | --- | --- |
 * | waiting | `running` and `open` are null | sync, the end of a tick | a due tick or trigger |
 * | running | `running` is set | begin() | end(), lost() |
 * | interrupted | `open` is set, `running` is null | an end that asks for another run | begin() at `open.notBefore` |
 *
 * Beside that it may be paused (by the operator), deactivated (it failed too often) or gone (no app declares it any longer):
 * then it is never due.
 */
import type { JobSpec } from './job.ts';
import { isAheadOf, nextAfter, type Ticking } from './missed.ts';

/** Why a tick that was begun is not done. */
type Interruption = 'retry' | 'continue' | 'lost' | 'cut';

/** A tick, or a moment asked for by trigger(), that was taken and is not done. */
export interface OpenTick {
  readonly scheduledAt: number;
  /** Of the run that is going on, or of the last. */
  readonly attempt: number;
  /** Runs of it that failed. */
  readonly failures: number;
  /** Runs of it that ended with their worker. */
  readonly losses: number;
  readonly notBefore: number;
  readonly why: Interruption | null;
}

/** The run that is going on. */
interface Running {
  readonly runId: number;
  /** The store handle that holds the lock. */
  readonly holder: string;
  /** When it, or its slice, began. */
  readonly startedAt: number;
  /** Whether it has told of more work done. */
  readonly progressed: boolean;
}

export interface Trigger {
  readonly at: number;
  /** Runs that were asked for without coalescing; 0 where one run serves all that is due. */
  readonly runs: number;
}

export interface JobState {
  readonly spec: JobSpec;
  /** When the generation was made whose definition this is. */
  readonly since: number;
  readonly anchor: number;
  readonly paused: boolean;
  readonly gone: boolean;
  readonly deactivatedAt: number | null;
  readonly nextTick: number | null;
  readonly lastTick: number | null;
  /** Ordered by time. */
  readonly triggers: readonly Trigger[];
  readonly open: OpenTick | null;
  readonly running: Running | null;
  /** Of the last run. */
  readonly runId: number;
  /** In a row. */
  readonly failures: number;
  readonly firstFailureAt: number | null;
  /** In a row, without progress. */
  readonly timeouts: number;
  readonly done: number | null;
  readonly remaining: number | null;
}

/** What takeTick() looks at. */
export function tickingOf({ spec, anchor, nextTick, lastTick }: JobState): Ticking {
  return { rhythm: spec.rhythm, missed: spec.missed, anchor, nextTick, lastTick };
}

/** When the job is to be run next: null where never, or where that depends on the run that is going on. */
export function dueAt(state: JobState): number | null {
  const { spec, paused, gone, deactivatedAt, running, open, nextTick, triggers } = state;
  if (paused || gone || deactivatedAt !== null || running) return null;
  // With `all`, the tick that is being retried goes first.
  const tick = open && spec.missed === 'all' ? null : nextTick;
  const times = [open?.notBefore, tick, triggers[0]?.at].filter((time) => time !== undefined && time !== null);
  return times.length === 0 ? null : Math.min(...times);
}

/** Whether begin() has anything to do: a run may be due, or the clock was set back. */
export function isReady(state: JobState, now: number): boolean {
  const due = dueAt(state);
  return due !== null && (due <= now || (state.lastTick !== null && isAheadOf(state.lastTick, now)));
}

function created(spec: JobSpec, since: number, now: number): JobState {
  return {
    spec,
    since,
    anchor: now,
    paused: spec.paused,
    gone: false,
    deactivatedAt: null,
    nextTick: nextAfter({ rhythm: spec.rhythm, anchor: now }, now),
    lastTick: null,
    triggers: [],
    open: null,
    running: null,
    runId: 0,
    failures: 0,
    firstFailureAt: null,
    timeouts: 0,
    done: null,
    remaining: null,
  };
}

/**
 * What the store has, and what an app declares, made one. The newer generation wins: workers that an older one starts again
 * beside it, during a rolling deployment, change nothing.
 *
 * @param since when the generation was made that declares this: the same for all of its workers
 */
export function declared(state: JobState | undefined, spec: JobSpec, since: number, now: number): JobState {
  if (!state) return created(spec, since, now);
  if (since < state.since) return state;
  const isSame = JSON.stringify(state.spec.rhythm) === JSON.stringify(spec.rhythm);
  const kept = { ...state, spec, since, gone: false };
  if (isSame && !state.gone) return kept;
  const anchor = isSame ? state.anchor : now;
  return { ...kept, anchor, nextTick: nextAfter({ rhythm: spec.rhythm, anchor }, now), lastTick: null };
}

/** For a job that a generation does not declare. */
export function undeclared(state: JobState, since: number): JobState {
  return since <= state.since || state.gone ? state : { ...state, since, gone: true };
}

/** @param coalesce whether one run may serve this and others that are due */
export function triggered(state: JobState, at: number, coalesce: boolean, now: number): JobState {
  const { triggers } = state;
  const time = Math.max(at, now);
  const served = triggers.find((one) => one.runs === 0 && (one.at === time || (one.at <= now && at <= now)));
  if (coalesce && served) return state;
  const sameTime = coalesce ? undefined : triggers.find((one) => one.runs > 0 && (one.at === time || one.at <= now));
  const added = { at: sameTime?.at ?? time, runs: coalesce ? 0 : (sameTime?.runs ?? 0) + 1 };
  const others = triggers.filter((one) => one !== sameTime);
  return { ...state, triggers: [...others, added].sort((a, b) => a.at - b.at) };
}

export function asPaused(state: JobState): JobState {
  return state.paused ? state : { ...state, paused: true };
}

/** Ticks that passed meanwhile are not missed: they were not meant to run. Ends a deactivation, too. */
export function resumed(state: JobState, now: number): JobState {
  if (!state.paused && state.deactivatedAt === null) return state;
  const next = nextAfter({ rhythm: state.spec.rhythm, anchor: state.anchor }, now);
  const nextTick = state.lastTick !== null && next !== null && next <= state.lastTick ? state.nextTick : next;
  return { ...state, paused: false, deactivatedAt: null, failures: 0, firstFailureAt: null, timeouts: 0, nextTick };
}
