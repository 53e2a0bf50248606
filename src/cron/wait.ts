/**
 * What `tricorn run --wait` waits for: the end of the run that serves it. What was cut, lost or only partly done goes on in
 * another run; where that one will never be, because the tick was given up, or nothing may run the job, waiting would not end.
 */
import { againIn } from './lost-run.ts';
import type { JobStatus, RunRecord, Store } from './store.ts';

/** Of these a job is not run, whatever asks for it. */
export type Blocked = Extract<JobStatus['state'], 'paused' | 'deactivated' | 'gone'>;

/** What has become of it. */
export type Verdict =
  | { readonly is: 'ended'; readonly run: RunRecord }
  | { readonly is: 'blocked'; readonly state: Blocked }
  | { readonly is: 'open'; readonly news?: string; readonly waitsFor?: string };

/** How often it is looked, milliseconds. */
const LOOK_MS = 200;
/** A cron worker that is free takes it within milliseconds: after so many looks it is said that none has. */
const PATIENT_LOOKS = 5;

export function isBlocked(state: string): state is Blocked {
  return state === 'paused' || state === 'deactivated' || state === 'gone';
}

interface Waited {
  readonly store: Pick<Store, 'history' | 'list'>;
  readonly name: string;
  /** The last run that had begun when it was asked for; 0 where there was none. */
  readonly before: number;
  /** Each text is said once. */
  readonly say: (text: string) => void;
  readonly pause: (ms: number) => Promise<unknown>;
}

export async function waitForEnd({
  store,
  name,
  before,
  say,
  pause,
}: Waited): Promise<Exclude<Verdict, { is: 'open' }>> {
  const said = new Set<string>();
  let mine: RunRecord | undefined;
  for (let looks = 1; ; looks += 1) {
    const runs = await store.history(name);
    // After its history: so a run that is over here is over there.
    const status = (await store.list()).find((job) => job.name === name);
    mine = servingRun(runs, before, mine);
    const verdict = status ? verdictOf(status, runs, mine) : ({ is: 'blocked', state: 'gone' } as const);
    if (verdict.is !== 'open') return verdict;
    const text = verdict.news ?? (looks > PATIENT_LOOKS ? verdict.waitsFor : undefined);
    if (text !== undefined && !said.has(text)) say(`${name}: ${text}\n`);
    if (text !== undefined) said.add(text);
    await pause(LOOK_MS);
  }
}

/** The newest run of the tick that the first run after `before` was of. @param runs the newest first */
function servingRun(runs: readonly RunRecord[], before: number, known?: RunRecord): RunRecord | undefined {
  const tick = (known ?? runs.findLast(({ runId }) => runId > before))?.scheduledAt;
  return runs.find(({ runId, scheduledAt }) => runId > before && scheduledAt === tick) ?? known;
}

/** @param mine see servingRun() */
function verdictOf(status: JobStatus, runs: readonly RunRecord[], mine: RunRecord | undefined): Verdict {
  const { state, running, again, last } = status;
  if (!mine) {
    if (isBlocked(state)) return { is: 'blocked', state };
    const goesOn = running ? `waiting for the end of run ${running.runId}, which goes on` : undefined;
    return { is: 'open', waitsFor: goesOn ?? 'waiting for a cron worker to take it' };
  }
  const { outcome, runId } = mine;
  if (outcome === null) return { is: 'open' };
  if (outcome === 'done' || outcome === 'failed' || outcome === 'timeout') return { is: 'ended', run: mine };
  // Another tick has overtaken it, or it is to be tried no more.
  const isOver = (runs[0]?.runId ?? 0) > runId || (last?.runId === runId && !running && (!again || isBlocked(state)));
  if (isOver) return { is: 'ended', run: mine };
  if (outcome === 'partial') return { is: 'open' };
  const when = again ? againIn(again.at - (mine.endedAt ?? again.at)) : 'it is run again';
  return { is: 'open', news: `run ${runId} was ${showOutcome(mine)}; ${when}` };
}

/** With the reason where that is not an error of the job's. */
export function showOutcome({ outcome, error }: Pick<RunRecord, 'outcome' | 'error'>): string {
  return outcome === 'lost' && error !== null ? `lost: ${error}` : String(outcome);
}
