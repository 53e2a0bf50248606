/** What bench/cron.ts compares: Tricorn on both engines, on one machine and on two, and pg-boss. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Watched } from './watched.ts';

/** How often it is looked whether all have run, milliseconds. What is measured is what the runs say themselves. */
const LOOK_MS = 5;

export interface Contestant {
  readonly name: string;
  readonly processes: readonly Watched[];
  readonly runs: RunFile;
}

/** What the runs of one contestant have written down: when each began, milliseconds. */
class RunFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    this.clear();
  }

  clear(): void {
    writeFileSync(this.path, '');
  }

  async until(count: number): Promise<readonly number[]> {
    for (;;) {
      const text = readFileSync(this.path, 'utf8');
      const lines = text.split('\n').slice(0, -1);
      if (lines.length >= count) return lines.map(Number);
      await sleep(LOOK_MS);
    }
  }
}

/** @returns the time at which it asked */
function ask(url: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = get(url, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    response.on('end', () => (response.statusCode === 200 ? resolve(Number(body)) : reject(new Error(body))));
  });
  sent.on('error', reject);
  return promise;
}

export interface TricornOptions {
  /** '' for SQLite. */
  readonly url: string;
  /** Cron workers. */
  readonly workers: number;
  /** Handlers on one machine, cron workers on another. */
  readonly apart?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** @param dir of the build */
export async function tricorn(dir: string, name: string, options: TricornOptions): Promise<Contestant> {
  const { url, workers, apart = false, env = {} } = options;
  const folder = join(dir, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder);
  const runs = new RunFile(join(folder, 'runs'));
  const command = [join(dir, 'bin/tricorn.js'), join(dir, 'dist/bench/targets/cron-app.js'), '--workers=1'];
  const common = ['--log-format=json', '--no-access-log', `--data-dir=${folder}`, ...(url ? [`--db-url=${url}`] : [])];
  const start = (...flags: readonly string[]): Promise<Watched> =>
    Watched.start([...command, ...common, ...flags], { BENCH_RUNS: runs.path, ...env });
  const http = ['--http-interface=127.0.0.1', '--http-port=0'];
  const crew = `--max-cron-threads=${workers}`;
  // Whoever runs the jobs declares them first.
  const processes = apart
    ? [await start('--no-http', crew), await start(...http, '--max-cron-threads=0')].toReversed()
    : [await start(...http, crew)];
  return { name, processes, runs };
}

/** @param part of bench/targets/pg-boss.ts, beside the one that sends */
export async function pgBoss(dir: string, name: string, url: string, part: string): Promise<Contestant> {
  const target = join(dir, 'dist/bench/targets/pg-boss.js');
  const runs = new RunFile(join(dir, `${part}-runs`));
  const env = { BENCH_RUNS: runs.path };
  const processes: Watched[] = [];
  for (const role of ['send', part]) processes.push(await Watched.start([target, url, role], env));
  return { name, processes, runs };
}

export async function stop({ processes }: Contestant): Promise<void> {
  for (const one of processes) await one.stop();
}

/** Between two samples, milliseconds: so much, and a random part of it again. */
const PAUSE_MS = 15;
/** Whoever polls so often is to be asked at any time of its interval. */
const POLL_MS = 500;

/** Milliseconds from asking for a run to its beginning. @param isPolling whether the one who runs it is */
export async function latency(
  { processes: [server], runs }: Contestant,
  samples: number,
  isPolling: boolean,
): Promise<number[]> {
  const found: number[] = [];
  for (let left = samples; left > 0; left -= 1) {
    runs.clear();
    const at = await ask(`${server?.url}/ping`);
    const [begun = Number.NaN] = await runs.until(1);
    found.push(begun - at);
    // Whoever ran it is idle again.
    await sleep(PAUSE_MS + Math.random() * (isPolling ? POLL_MS : PAUSE_MS));
  }
  return found;
}

/** Runs per second, from the first that is asked for until the last has run. */
export async function throughput(
  { processes: [server], runs }: Contestant,
  count: number,
  jobs: number,
): Promise<number> {
  runs.clear();
  const at = await ask(`${server?.url}/work?count=${count}&jobs=${jobs}`);
  const times = await runs.until(count);
  return count / ((Math.max(...times) - at) / 1000);
}

/** Loaded into each thread of a server. */
const COUNTING = `
  import { subscribe } from 'node:diagnostics_channel';
  import { appendFileSync } from 'node:fs';
  subscribe('sqlite.db.query', () => appendFileSync(process.env.BENCH_STATEMENTS, '.'));`;

/** @param dir of the build @returns the environment of a server whose statements to SQLite are counted: each is a byte of a file */
export function countSqlite(dir: string): { readonly env: NodeJS.ProcessEnv; count(): number } {
  const [file, hook] = [join(dir, 'statements'), join(dir, 'counting.mjs')];
  writeFileSync(file, '');
  writeFileSync(hook, COUNTING);
  return {
    env: { NODE_OPTIONS: `--import=${hook}`, BENCH_STATEMENTS: file },
    count: () => readFileSync(file).length,
  };
}
