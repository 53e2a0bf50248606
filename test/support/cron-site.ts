/** A service with jobs in a folder of its own: what its jobs do is written down in a file, whoever dies meanwhile. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { JobStatus } from '../../src/cron/store.ts';
import { childrenOf, modes, startTricorn, type Answered, type Mode, type Tricorn } from './tricorn.ts';

const BIN = fileURLToPath(new URL('../../bin/tricorn.js', import.meta.url));

/** What a job has told: `begin` and `end` of a run, and whatever else it likes. */
export interface Note {
  readonly job: string;
  readonly what: string;
  readonly runId: number;
  readonly attempt: number;
  readonly pid: number;
  readonly role: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export type Jobs = Readonly<Partial<Record<string, JobStatus>>>;

export interface CronSite {
  readonly folder: string;
  readonly server: Tricorn;
  /** Puts an app with these jobs where the server looks, as a release of its own: the text of an object literal. */
  deploy(jobs: string, more?: string): void;
  /** Starts the server again, after its end. */
  restart(): Promise<Tricorn>;
  notes(): Note[];
  /** Resolves with the `count`-th note that matches; rejects when the server ends first. */
  noted(match: Partial<Note>, count?: number): Promise<Note>;
  /** What `tricorn jobs` tells, by name. */
  jobs(): Promise<Jobs>;
  /**
   * The same, once it is as it should be: a job has told its end before the store knows of it, and on a slow machine a change
   * is over before the workers have declared their jobs.
   */
  jobsUntil(isSo: (jobs: Jobs) => boolean): Promise<Jobs>;
  /** Runs `tricorn ARGS` there, to its end. */
  command(...args: readonly string[]): Promise<Answered>;
}

export interface CronSiteOptions {
  readonly mode: Mode;
  /** The text of an object literal; `noted(job, async () => …)` tells begin and end. */
  readonly jobs: string;
  readonly ini?: string;
  readonly flags?: readonly string[];
  /** Further text of the module. `globalThis.starting`, if it is set, is called as a start hook. */
  readonly more?: string;
}

export async function startCronSite(t: Test, options: CronSiteOptions): Promise<CronSite> {
  const { mode, jobs, ini = 'graceful_timeout = 60', flags: given = [], more = '' } = options;
  const folder = t.testdir({ releases: {}, 'notes.jsonl': '', 'tricorn.ini': `[options]\n${ini}` });
  const deploy = releaser(folder);
  deploy(jobs, more);
  const flags = [...modes[mode], '--no-access-log', ...given];
  let isOver = false;
  const start = async (): Promise<Tricorn> => {
    const server = await startTricorn(t, 'current/app.mjs', flags, { cwd: folder });
    isOver = false;
    void server.ended.then(() => (isOver = true));
    return server;
  };
  const command = (...args: readonly string[]): Promise<Answered> => runCommand(folder, args);
  const told = async (): Promise<Jobs> => {
    const { jobs: found } = JSON.parse((await command('jobs', '--json')).stdout) as { jobs: JobStatus[] };
    return Object.fromEntries(found.map((job) => [job.name, job]));
  };
  return {
    folder,
    server: await start(),
    restart: start,
    deploy: (text, other = more) => deploy(text, other),
    command,
    jobs: told,
    jobsUntil: async (isSo) => {
      for (;;) {
        const found = await told();
        if (isSo(found)) return found;
        if (isOver) throw new Error(`it ended, and its jobs are ${JSON.stringify(found)}`);
      }
    },
    ...notebook(folder, () => isOver),
  };
}

/** As deploy tools do it: a folder for each release, and a symlink that is swapped. */
function releaser(folder: string): (jobs: string, more: string) => void {
  let releases = 0;
  return (jobs, more) => {
    releases += 1;
    const release = join(folder, 'releases', String(releases));
    mkdirSync(release);
    writeFileSync(join(release, 'app.mjs'), appOf(folder, jobs, more));
    symlinkSync(release, join(folder, 'next'));
    renameSync(join(folder, 'next'), join(folder, 'current'));
  };
}

function notebook(folder: string, isOver: () => boolean): Pick<CronSite, 'notes' | 'noted'> {
  const notes = (): Note[] =>
    readFileSync(join(folder, 'notes.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Note);
  const noted: CronSite['noted'] = async (match, count = 1) => {
    for (;;) {
      const found = notes().filter((note) => isLike(note, match))[count - 1];
      if (found) return found;
      if (isOver()) throw new Error(`it ended before note ${count} of ${JSON.stringify(match)}`);
      await pass(20);
    }
  };
  return { notes, noted };
}

export function runCommand(cwd: string, args: readonly string[]): Promise<Answered> {
  const command = ['-u', 'NODE_OPTIONS', process.execPath, '--conditions=tricorn-source', BIN, ...args];
  const { promise, resolve } = Promise.withResolvers<Answered>();
  execFile('env', command, { cwd }, (error, stdout, stderr) => {
    resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
  });
  return promise;
}

function isLike(note: Note, match: Partial<Note>): boolean {
  return Object.entries(match).every(([key, value]) => note[key as keyof Note] === value);
}

/**
 * `noted` is for the jobs; whoever GETs /trigger/NAME has it triggered, once it is known: a start waits 2 s for its store, and
 * no longer.
 */
function appOf(folder: string, jobs: string, more: string): string {
  return `
    import { appendFileSync } from 'node:fs';
    import { setTimeout as pass } from 'node:timers/promises';
    import { defineApp, trigger } from 'tricorn';
    ${more}
    let role = 'none';
    const file = ${JSON.stringify(join(folder, 'notes.jsonl'))};
    const note = (what, job) => {
      const { name, runId, attempt } = job;
      const told = { job: name, what, runId, attempt, pid: process.pid, role, at: Date.now() };
      appendFileSync(file, JSON.stringify(told) + '\\n');
    };
    const noted = (body = () => {}) => async (job) => {
      note('begin', job);
      await body(job);
      note('end', job);
    };
    const triggerKnown = async (name) => {
      for (;;) {
        try {
          return await trigger(name);
        } catch (error) {
          if (error.code !== 'TRC_JOB_UNKNOWN') throw error;
          await pass(20);
        }
      }
    };
    export default defineApp({
      onStart: async (context) => {
        role = context.role;
        await globalThis.starting?.(context);
      },
      handler: async (req, res) => {
        const [, name] = /^\\/trigger\\/(.+)$/.exec(req.url) ?? [];
        try {
          if (name !== undefined) await triggerKnown(name);
          res.end(String(process.pid));
        } catch (error) {
          res.writeHead(503).end(error.code);
        }
      },
      cron: ${jobs},
    });`;
}

/** Of the service: those that run jobs. */
export function cronWorkersOf({ server }: Pick<CronSite, 'server'>): number[] {
  return childrenOf(server.pid).filter((pid) => titleOf(pid).includes('cron worker'));
}

/** '' where it has gone meanwhile. */
function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Runs of one job that overlap each other, as they were written down. */
export function overlaps(notes: readonly Note[], job: string): Note[] {
  let running = 0;
  return notes
    .filter((note) => note.job === job && (note.what === 'begin' || note.what === 'end'))
    .filter(({ what }) => {
      running += what === 'begin' ? 1 : -1;
      return running > 1;
    });
}
