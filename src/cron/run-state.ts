/**
 * Pure: how a run begins and ends, and what becomes of its job. Ideas: the failure count, its deactivation, time-outs and
 * partly done runs are Odoo's (ir_cron); one open tick with attempts and exponential back-off is graphile-worker's.
 */
import { takeTick } from './missed.ts';
import { tickingOf, type JobState, type OpenTick, type Trigger } from './state.ts';

/** How a run ended. `lost` is told by those who find it: its worker is gone. */
export type Outcome = 'done' | 'partial' | 'failed' | 'timeout' | 'cut' | 'lost';

/** From when on a job that fails is not run any more. Both must hold. */
export interface FailureLimits {
  /** Failures in a row; 0 = never. */
  readonly failures: number;
  /** Milliseconds since the first of them. */
  readonly overMs: number;
}

/** What ends depend on beside the job. */
export interface EndContext {
  readonly now: number;
  readonly limits: FailureLimits;
  /** Math.random() */
  readonly random: number;
}

const FIRST_WAIT_MS = 5000;
const LONGEST_WAIT_MS = 3_600_000;
/** Time-outs in a row without progress that are one failure. */
const TIMEOUTS = 3;
/** A tick is tried again so often after its worker died in it, whatever `retries` says: workers die for others' reasons, too. */
const LOSSES = 3;

/**
 * The wait before the next attempt: 5 s, 10 s, 20 s and so on up to an hour, a random half of it off, so that what failed
 * together does not come back together.
 *
 * @param failures so far, from 1
 */
export function retryWait(failures: number, random: number): number {
  const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
  return Math.round(ceiling * (1 - random / 2));
}

/** @returns the state with a run in it; without one where nothing is due after all, such as a missed tick that is skipped */
export function begin(state: JobState, holder: string, now: number): JobState {
  const { open } = state;
  const isAsked = (state.triggers[0]?.at ?? Infinity) <= now;
  // Whoever waits for a retry is overtaken by the next tick.
  const mayTake = !open || (open.notBefore > now && state.spec.missed !== 'all');
  const { tick, nextTick, lastTick } = mayTake ? takeTick(tickingOf(state), now) : { ...state, tick: undefined };
  const moved = { ...state, nextTick, lastTick };
  if (tick !== undefined) return opened(moved, fresh(tick), holder, now);
  if (open && (open.notBefore <= now || isAsked)) {
    return opened(moved, { ...open, attempt: nextAttempt(open) }, holder, now);
  }
  const [first] = state.triggers;
  return first && isAsked ? opened(withoutOne(moved, first), fresh(first.at), holder, now) : moved;
}

/** Going on with what is partly done is no new attempt. */
export function nextAttempt({ attempt, why }: OpenTick): number {
  return attempt + (why === 'continue' ? 0 : 1);
}

function fresh(scheduledAt: number): OpenTick {
  return { scheduledAt, attempt: 1, failures: 0, losses: 0, notBefore: scheduledAt, why: null };
}

function opened(state: JobState, open: OpenTick, holder: string, now: number): JobState {
  const runId = state.runId + 1;
  const isNew = open.why !== 'continue';
  return {
    ...state,
    runId,
    open,
    running: { runId, holder, startedAt: now, progressed: false },
    // One run serves all that asked for one until now and do not insist on their own.
    triggers: state.triggers.filter(({ at, runs }) => runs > 0 || at > now),
    done: isNew ? null : state.done,
    remaining: isNew ? null : state.remaining,
  };
}

function withoutOne(state: JobState, trigger: Trigger): JobState {
  const triggers = state.triggers.flatMap((one) => {
    if (one !== trigger) return [one];
    return one.runs > 1 ? [{ ...one, runs: one.runs - 1 }] : [];
  });
  return { ...state, triggers };
}

export function progressed(state: JobState, done: number, remaining: number): JobState {
  if (!state.running) return state;
  const isMore = done > (state.done ?? 0);
  return { ...state, done, remaining, running: { ...state.running, progressed: state.running.progressed || isMore } };
}

/** The next slice of a run that is alone: the same run, without letting go of it. */
export function nextSlice(state: JobState, now: number): JobState {
  if (!state.running) return state;
  return { ...succeeded(state), running: { ...state.running, startedAt: now, progressed: false } };
}

/** The end of the run that is going on. */
export function end(state: JobState, outcome: Outcome, context: EndContext): JobState {
  const { running, open } = state;
  if (!running || !open) return state;
  const ended = { ...state, running: null };
  const { now } = context;
  switch (outcome) {
    case 'done':
      return { ...succeeded(ended), open: null };
    case 'partial':
      return { ...succeeded(ended), open: { ...open, notBefore: now, why: 'continue' } };
    case 'cut':
      return { ...ended, open: { ...open, notBefore: now, why: 'cut' } };
    case 'failed':
      return failed(ended, open, context);
    case 'timeout':
      return timedOut(ended, open, running.progressed, context);
    default:
      // It counts as what it was killed for.
      return isOverTimeout(state, now)
        ? timedOut(ended, open, running.progressed, context)
        : lost(ended, open, context);
  }
}

function succeeded(state: JobState): JobState {
  return { ...state, failures: 0, firstFailureAt: null, timeouts: 0 };
}

function counted(state: JobState, { now, limits }: EndContext): JobState {
  const failures = state.failures + 1;
  const firstFailureAt = state.firstFailureAt ?? now;
  const isTooMuch = limits.failures > 0 && failures >= limits.failures && now - firstFailureAt > limits.overMs;
  return { ...state, failures, firstFailureAt, timeouts: 0, deactivatedAt: isTooMuch ? now : null };
}

function failed(state: JobState, open: OpenTick, context: EndContext): JobState {
  const failures = open.failures + 1;
  const isGivenUp = failures > state.spec.retries;
  const notBefore = context.now + retryWait(failures, context.random);
  return { ...counted(state, context), open: isGivenUp ? null : { ...open, failures, notBefore, why: 'retry' } };
}

function timedOut(state: JobState, open: OpenTick, hasProgressed: boolean, context: EndContext): JobState {
  const { now, random } = context;
  if (hasProgressed) return { ...state, timeouts: 0, open: { ...open, notBefore: now, why: 'continue' } };
  const timeouts = state.timeouts + 1;
  if (timeouts >= TIMEOUTS) return failed(state, open, context);
  return { ...state, timeouts, open: { ...open, notBefore: now + retryWait(timeouts, random), why: 'retry' } };
}

/** Whether the run that goes on has had its time: where its worker is gone, the watchdog has killed it, most likely. */
export function isOverTimeout({ spec: { timeout }, running }: JobState, now: number): boolean {
  return running !== null && timeout > 0 && now - running.startedAt >= timeout * 1000;
}

function lost(state: JobState, open: OpenTick, context: EndContext): JobState {
  const { now, random } = context;
  const losses = open.losses + 1;
  const isGivenUp = losses > Math.max(state.spec.retries, LOSSES);
  // Once at once: mostly the worker died for no reason of the job's.
  const notBefore = losses === 1 ? now : now + retryWait(losses - 1, random);
  return { ...counted(state, context), open: isGivenUp ? null : { ...open, losses, notBefore, why: 'lost' } };
}
