/** The load generator, always a process of its own: wrk, or autocannon where there is no wrk. */
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { root } from './build.ts';

export type LoadName = 'keepAlive' | 'keepAliveMany' | 'keepAliveCrowd' | 'perRequest' | 'keepAliveLight';

export interface Load {
  readonly name: LoadName;
  readonly title: string;
  readonly connections: number;
  /**
   * Of the generator. One is outrun by two event loops: what they cost then is to wake up and find little to do. Not so with 512
   * connections; and there two make that many at once that one loop has accepted all of them only when the second is over.
   */
  readonly threads: number;
}

export const loads: readonly Load[] = [
  { name: 'keepAlive', title: 'Keep-alive, 32 connections', connections: 32, threads: 2 },
  { name: 'keepAliveMany', title: 'Keep-alive, 128 connections', connections: 128, threads: 2 },
  { name: 'keepAliveCrowd', title: 'Keep-alive, 512 connections', connections: 512, threads: 1 },
  { name: 'perRequest', title: 'One request per connection, 32 at a time', connections: 32, threads: 2 },
  {
    name: 'keepAliveLight',
    title: 'Keep-alive, 32 connections, a generator of one thread',
    connections: 32,
    threads: 1,
  },
];

/** What one run of the generator says. */
interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p99: number;
  readonly errors: number;
}

export interface Generator {
  /** Name and version, for the report. */
  readonly title: string;
  run(url: string, load: Load, seconds: number): Promise<LoadResult>;
}

const run = promisify(execFile);
const WRK = 'wrk';
const REPORT = join(root, 'bench/support/report.lua');
/** Its main module is its command as well. */
const AUTOCANNON = fileURLToPath(import.meta.resolve('autocannon'));

/** wrk where it is installed: written in C, it leaves more of the machine to the server. */
export function loadGenerator(): Generator {
  const version = /^wrk \S+/.exec(spawnSync(WRK, ['-v'], { encoding: 'utf8' }).stdout ?? '')?.[0];
  return version === undefined ? autocannon : { title: version.replace(/^(wrk) (debian\/)?/, '$1 '), run: runWrk };
}

const autocannon: Generator = {
  title: 'autocannon (slower than wrk, so req/s and p99 tell less: `apt-get install wrk`)',
  run: runAutocannon,
};

async function runWrk(url: string, load: Load, seconds: number): Promise<LoadResult> {
  // The space after the colon matters: without it wrk ignores the header.
  const header = load.name === 'perRequest' ? ['-H', 'Connection: close'] : [];
  const size = ['-t', String(load.threads), '-c', String(load.connections), '-d', `${seconds}s`];
  const { stdout } = await run(WRK, [...size, ...header, '-s', REPORT, url]);
  return JSON.parse(lastLine(stdout)) as LoadResult;
}

async function runAutocannon(url: string, load: Load, seconds: number): Promise<LoadResult> {
  const header = load.name === 'perRequest' ? ['-H', 'connection=close'] : [];
  const size = ['-w', String(load.threads), '-c', String(load.connections), '-d', String(seconds)];
  const { stdout } = await run(process.execPath, [AUTOCANNON, ...size, '--json', '--no-progress', ...header, url]);
  const result = JSON.parse(lastLine(stdout)) as AutocannonResult;
  const { '2xx': requests, non2xx, errors, duration, latency } = result;
  return { requests, seconds: duration, p99: latency.p99, errors: errors + non2xx };
}

interface AutocannonResult {
  readonly '2xx': number;
  readonly non2xx: number;
  readonly errors: number;
  readonly duration: number;
  readonly latency: { readonly p99: number };
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
