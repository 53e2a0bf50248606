/** Pure: what is read out of a job's state, for those who run it and for those who look at it. */
import type { Candidate } from './order.ts';
import { nextAttempt, type Outcome } from './run-state.ts';
import { dueAt, type JobState } from './state.ts';
import type { Ended, Identity, JobStatus, Run, RunRecord } from './store.ts';

/** The run that has just begun; undefined where the state has none. */
export function runOf({ spec, open, running, done, remaining }: JobState): Run | undefined {
  if (!open || !running) return undefined;
  const { attempt, scheduledAt } = open;
  return { name: spec.name, runId: running.runId, attempt, scheduledAt, done, remaining };
}

/** Whether the run is the one that the state knows as going on. */
export function isRunning(state: JobState | undefined, run: Pick<Run, 'runId'>): state is JobState {
  return state?.running?.runId === run.runId;
}

export function begunRecord(run: Run, { worker, machine }: Identity, now: number): RunRecord {
  return { ...run, startedAt: now, endedAt: null, worker, machine, outcome: null, error: null };
}

export interface EndOfRun {
  readonly outcome: Outcome;
  readonly error: string | null;
  readonly endedAt: number;
}

/** Of the state in which a run was left. */
export function endedOf(state: JobState, goesOn: boolean): Ended {
  const { failures, deactivatedAt } = state;
  return { isHeld: true, goesOn, failures, isDeactivated: deactivatedAt !== null, nextAt: dueAt(state) };
}

export const NOT_HELD: Ended = { isHeld: false, goesOn: false, failures: 0, isDeactivated: false, nextAt: null };

/** How a job stands in the queue. */
export function candidateOf(state: JobState): Candidate {
  const due = dueAt(state) ?? Infinity;
  const { open } = state;
  const continues = open?.why === 'continue' && open.notBefore === due;
  return { name: state.spec.name, dueAt: due, failures: state.failures, priority: state.spec.priority, continues };
}

/** @param records the newest of the job, the newest first */
export function statusOf(state: JobState, records: readonly RunRecord[]): JobStatus {
  const { spec, failures } = state;
  return {
    name: spec.name,
    rhythm: spec.rhythm,
    state: stateName(state),
    nextAt: dueAt(state),
    failures,
    last: records.find(({ outcome }) => outcome !== null) ?? null,
    running: records.find(({ runId }) => runId === state.running?.runId) ?? null,
    again: state.open && !state.running ? { attempt: nextAttempt(state.open), at: state.open.notBefore } : null,
  };
}

function stateName(state: JobState): JobStatus['state'] {
  if (state.running) return 'running';
  if (state.gone) return 'gone';
  if (state.deactivatedAt !== null) return 'deactivated';
  return state.paused ? 'paused' : 'waiting';
}
