/** Runs whose worker is gone: what becomes of their tick, and what whoever finds them says of it. */
import { showAge } from '../control/show.ts';
import type { Logger } from '../log/logger.ts';
import { isOverTimeout, nextAttempt } from './run-state.ts';
import { dueAt, type JobState } from './state.ts';
import type { LostRun } from './store.ts';

/** As the history has it. @param state with the run in it */
export function reasonOfLoss(state: JobState, now: number): string {
  return isOverTimeout(state, now) ? 'it was over its timeout, and its worker is gone' : 'its worker is gone';
}

/** @param before with the run in it @param after without */
export function lostRunOf(before: JobState, after: JobState, now: number): LostRun {
  const { open, failures } = after;
  const isDue = dueAt(after) !== null;
  return {
    name: before.spec.name,
    runId: before.running?.runId ?? 0,
    attempt: before.open?.attempt ?? 0,
    reason: reasonOfLoss(before, now),
    again: open && isDue ? { attempt: nextAttempt(open), inMs: open.notBefore - now } : null,
    isGivenUp: !open,
    failures,
    isDeactivated: after.deactivatedAt !== null,
  };
}

export function tellLostRun(log: Pick<Logger, 'warn' | 'error'>, lost: LostRun): void {
  const { name, runId, attempt, reason, isDeactivated, failures } = lost;
  const fields = { job: name, run: runId, attempt, outcome: 'lost' };
  log.warn(fields, `The run ${runId} of the job ${name} was lost: ${reason}; ${outlook(lost)}`);
  if (isDeactivated) tellDeactivated(log, name, failures);
}

/** When the next attempt is. */
export function againIn(ms: number): string {
  return `it is run again ${ms < 1000 ? 'at once' : `in ${showAge(Math.ceil(ms / 1000) * 1000)}`}`;
}

function outlook({ again, isGivenUp, attempt }: LostRun): string {
  if (again) return `${againIn(again.inMs)} (attempt ${again.attempt})`;
  if (isGivenUp) return `it is given up after ${attempt === 1 ? '1 attempt' : `${attempt} attempts`}`;
  return 'it waits, for the job is paused, deactivated or gone';
}

export function tellDeactivated(log: Pick<Logger, 'error'>, name: string, failures: number): void {
  log.error(
    { job: name, failures },
    `The job ${name} is deactivated after ${failures} failures; \`tricorn resume ${name}\` activates it again`,
  );
}
