/** What `tricorn jobs` prints for people. */
import { showText } from '../config/show.ts';
import { columns } from '../control/columns.ts';
import { showAge } from '../control/show.ts';
import type { JobStatus, RunRecord } from './store.ts';

const JOBS = ['job', 'state', 'next', 'last', 'took', 'outcome', 'failures', 'running'];
const RUNS = ['run', 'attempt', 'for', 'started', 'took', 'outcome', 'by', 'error'];

export function showJobs(jobs: readonly JobStatus[]): string {
  if (jobs.length === 0) return 'There are no jobs.\n';
  const rows = jobs.map(({ name, state, nextAt, failures, last, running }) => [
    name,
    state,
    showTime(nextAt),
    showTime(last?.startedAt ?? null),
    last ? tookOf(last) : '-',
    last?.outcome ?? '-',
    String(failures),
    running ? whereOf(running) : '-',
  ]);
  return `${columns([JOBS, ...rows]).join('\n')}\n`;
}

/** @param runs the newest first */
export function showHistory(runs: readonly RunRecord[]): string {
  if (runs.length === 0) return 'It has not run yet.\n';
  const rows = runs.map((run) => [
    String(run.runId),
    String(run.attempt),
    showTime(run.scheduledAt),
    showTime(run.startedAt),
    tookOf(run),
    (run.outcome ?? 'runs') + progressOf(run),
    whereOf(run),
    // Its first line; --json has all of it.
    showText(run.error?.split('\n')[0] ?? '').slice(0, 200),
  ]);
  return `${columns([RUNS, ...rows]).join('\n')}\n`;
}

function progressOf({ done, remaining }: RunRecord): string {
  return done === null || remaining === null ? '' : ` (${done} of ${done + remaining})`;
}

function tookOf({ startedAt, endedAt }: RunRecord): string {
  if (endedAt === null) return '-';
  const ms = endedAt - startedAt;
  return ms < 10_000 ? `${(ms / 1000).toFixed(ms < 1000 ? 3 : 1)} s` : showAge(ms);
}

function whereOf({ worker, machine }: RunRecord): string {
  return `${worker} on ${machine}`;
}

/** Local to nobody: the machines may be in different zones. */
function showTime(ms: number | null): string {
  return ms === null
    ? '-'
    : new Date(ms)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');
}
