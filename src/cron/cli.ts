/**
 * The commands about jobs. They ask the store, as the configuration names it, and no server: so they work where none runs, too,
 * and the supervisor needs to know nothing of databases. Loaded only for them.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import type { Environment } from '../config/environment.ts';
import { loadConfig } from '../config/load.ts';
import { TricornError, toWireError } from '../errors.ts';
import { jobExitCodeDocs, jobExitCodes, type JobCommand } from './commands.ts';
import { openStore } from './open-store.ts';
import { DATABASE } from './sqlite-messages.ts';
import { showHistory, showJobs } from './show.ts';
import { storeError } from './store-errors.ts';
import type { JobStatus, RunRecord, Store } from './store.ts';
import { isBlocked, showOutcome, waitForEnd, type Blocked } from './wait.ts';

interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  cwd(): string;
}

export interface JobCommandRun {
  readonly command: JobCommand;
  /** Without node and script. */
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly io: Terminal;
}

interface Line {
  /** What follows the command. */
  readonly words: readonly string[];
  readonly json: boolean;
  readonly wait: boolean;
  readonly help: boolean;
  /** Those flags that are settings, or name the file in which they are. */
  readonly settings: readonly string[];
}

/** What is said for people, and as JSON. */
interface Answer {
  readonly value: unknown;
  readonly text: string;
  readonly code?: number;
}

/** Resolves with the exit code. @throws TricornError TRC_USAGE, TRC_CONFIG, TRC_STORE, TRC_JOB_UNKNOWN */
export async function runJobCommand({ command, argv, env, io }: JobCommandRun): Promise<number> {
  const line = parse(command, argv);
  if (line.help) {
    io.stdout.write(helpOf(command));
    return jobExitCodes.done;
  }
  try {
    const { value, text, code = jobExitCodes.done } = await ask(command, line, { env, io });
    io.stdout.write(line.json ? `${JSON.stringify(value, undefined, 2)}\n` : text);
    return code;
  } catch (error) {
    if (line.json) io.stdout.write(`${JSON.stringify({ error: toWireError(error) }, undefined, 2)}\n`);
    throw error;
  }
}

async function ask(
  command: JobCommand,
  line: Line,
  { env, io }: { readonly env: Environment; readonly io: Terminal },
): Promise<Answer> {
  const { config } = loadConfig({ argv: line.settings, env, cwd: io.cwd(), stdoutIsTTY: false, needsApp: false });
  if (config.db_url === '') enter(config);
  const store = await openStore(config, { worker: 'command' });
  try {
    return await answers[command.name](store, line, { config, say: (text) => io.stderr.write(text) });
  } finally {
    await store.close().catch(() => {});
  }
}

interface Surroundings {
  readonly config: Config;
  /** For people, beside the answer. */
  readonly say: (text: string) => unknown;
}

type Answering = (store: Store, line: Line, surroundings: Surroundings) => Promise<Answer>;

const answers: Readonly<Record<JobCommand['name'], Answering>> = {
  jobs: async (store, { words: [, name] }) => {
    if (name === undefined) {
      const jobs = await store.list();
      return { value: { jobs }, text: showJobs(jobs) };
    }
    const runs = await store.history(name);
    return { value: { runs }, text: showHistory(runs) };
  },
  run: async (store, { words: [name = ''], wait }, { config, say }) => {
    const { state: found, runId: before } = await statusOf(store, name);
    if (found === 'gone') return goneAnswer(name, 'run');
    await store.trigger(name);
    const { state } = await statusOf(store, name);
    if (isBlocked(state)) return blockedAnswer(name, state, wait);
    if (config.max_cron_threads === 0) {
      say(`${name}: max_cron_threads is 0 here, so a cron worker of another service has to take it\n`);
    }
    if (!wait) return { value: { name, outcome: 'triggered' }, text: `${name} is triggered\n` };
    const verdict = await waitForEnd({ store, name, before, say, pause: pass });
    return verdict.is === 'blocked' ? blockedAnswer(name, verdict.state, wait) : endAnswer(name, verdict.run);
  },
  pause: async (store, { words: [name = ''] }) => {
    if ((await statusOf(store, name)).state === 'gone') return goneAnswer(name, 'pause');
    await store.pause(name);
    return { value: { name, outcome: 'done' }, text: `${name} is paused\n` };
  },
  resume: async (store, { words: [name = ''] }) => {
    if ((await statusOf(store, name)).state === 'gone') return goneAnswer(name, 'resume');
    await store.resume(name);
    return { value: { name, outcome: 'done' }, text: `${name} is resumed\n` };
  },
};

function endAnswer(name: string, run: RunRecord): Answer {
  const isLost = run.outcome === 'lost';
  const text = `${name}: run ${run.runId} by ${run.worker} on ${run.machine}: ${showOutcome(run)}\n`;
  const more = run.error === null || isLost ? '' : `${run.error}\n`;
  return { value: run, text: text + more, code: run.outcome === 'done' ? jobExitCodes.done : jobExitCodes.failed };
}

/** What was asked for stays in the store, but for a job that is gone while it is waited for. */
function blockedAnswer(name: string, state: Blocked, isWaitedFor: boolean): Answer {
  if (state === 'gone') return goneAnswer(name, 'run');
  const text = `${name} is ${state}: it runs once it is resumed, by \`tricorn resume ${name}\`\n`;
  return { value: { name, outcome: state }, text, code: isWaitedFor ? jobExitCodes.refused : jobExitCodes.done };
}

/** Nothing will run it, so nothing is changed. */
function goneAnswer(name: string, command: JobCommand['name']): Answer {
  const text = `${name} is gone: the app that serves does not have it, so nothing runs it. To ${command} it, start or reload an app that has it\n`;
  return { value: { name, outcome: 'gone' }, text, code: jobExitCodes.refused };
}

/** `runId` of the last run that has begun; 0 where there was none. */
async function statusOf(store: Store, name: string): Promise<{ state: JobStatus['state'] | 'unknown'; runId: number }> {
  const status = (await store.list()).find((job) => job.name === name);
  const runId = status?.running?.runId ?? status?.last?.runId ?? 0;
  return { state: status?.state ?? 'unknown', runId };
}

/**
 * The files belong to whoever runs the workers: what root left there, they could not open.
 *
 * @throws TricornError TRC_STORE where there is no database: it is theirs to make
 */
function enter({ data_dir }: Config): void {
  const place = join(data_dir, DATABASE);
  if (!existsSync(place)) {
    throw storeError(place, 'does not exist: no cron worker has run with this data_dir, or another one is meant');
  }
  const { uid, gid } = statSync(place);
  if (process.getuid?.() !== 0 || uid === 0) return;
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

function parse(command: JobCommand, argv: readonly string[]): Line {
  const usage = (problem: string): TricornError =>
    new TricornError('TRC_USAGE', { command: command.name, problems: problem });
  const { values, positionals } = parsed(argv, usage);
  const { config, json = false, wait = false, help = false } = values;
  const words = positionals.toSpliced(positionals.indexOf(command.name), 1);
  if (wait && command.name !== 'run') throw usage('--wait: is for tricorn run');
  const expected = command.name === 'jobs' ? (words.length === 0 ? 0 : 2) : 1;
  const isKnown = command.name !== 'jobs' || words.length === 0 || words[0] === 'history';
  if (!help && (!isKnown || words.length !== expected)) throw usage(`usage: tricorn ${command.usage}`);
  const settings = (['data-dir', 'db-url'] as const).flatMap((name) => {
    const value = values[name];
    return value === undefined ? [] : [`--${name}=${value}`];
  });
  return { words, json, wait, help, settings: [...settings, ...(config === undefined ? [] : [`--config=${config}`])] };
}

function parsed(argv: readonly string[], usage: (problem: string) => TricornError) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        'data-dir': { type: 'string' },
        'db-url': { type: 'string' },
        json: { type: 'boolean' },
        wait: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function helpOf({ name, usage, summary }: JobCommand): string {
  const flags = [
    ...(name === 'run' ? [['--wait', 'Wait until a run has ended; exit code 1 where it failed or was given up']] : []),
    ['-c, --config=FILE', 'Ini file of the app; default: tricorn.ini here'],
    ['--data-dir=PATH', 'Folder of the jobs, where there is no db_url'],
    ['--db-url=URL', 'PostgreSQL of the jobs'],
    ['--json', 'Print the result as JSON'],
    ['-h, --help', 'Show this, and exit'],
  ].map(([flag = '', doc = '']) => `  ${flag.padEnd(24)}${doc}`);
  const codes = Object.entries(jobExitCodes).map(
    ([key, code]) => `  ${String(code).padEnd(24)}${jobExitCodeDocs[key as keyof typeof jobExitCodes]}`,
  );
  return [
    `Usage: tricorn ${usage} [flags]`,
    '',
    `${summary}.`,
    '',
    'Flags:',
    ...flags,
    '',
    'Exit codes:',
    ...codes,
    '',
    'More: docs/cron.md',
    '',
  ].join('\n');
}
