/**
 * What each fault costs, in every mode: the table in docs/reliability.md. Two event loops (evented: one) have 8 requests in
 * flight, and 8 visitors, each with a new connection for every request, when one thing goes wrong.
 *
 *     node bench/faults.ts            about 4 minutes; prints the table
 *     node bench/faults.ts --write    puts it into docs/reliability.md
 */
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildUntilExit } from './support/build.ts';
import { machineFacts } from './support/machine.ts';
import { publish, table } from './support/markdown.ts';
import { processTree } from './support/proc.ts';
import { killAllWatched, Watched } from './support/watched.ts';

const modes = { threaded: ['--threads=2'], prefork: ['--workers=2'], evented: ['--evented'] } as const;
type Mode = keyof typeof modes;

interface Fault {
  readonly name: string;
  readonly flags?: readonly string[];
  /** Does it, and resolves when the service is as it was before. */
  readonly happen: (server: Watched, mode: Mode) => Promise<unknown>;
}

const HELD = 8;
const VISITORS = 8;
const PAUSE_MS = 5;
/** How long the requests take that are in flight when it happens: longer than any of it lasts. */
const SLOW_MS = 5000;
const SMALL_HEAP = '--max-old-space-size=64';
const REPLACED = /^(worker|thread) \d+.* is ready$/;

/** The request that does the harm is not counted. */
async function ask(server: Watched, path: string): Promise<void> {
  const replaced = server.line(REPLACED);
  void request(`${server.url}${path}`);
  await replaced;
}

function workersOf(server: Watched): number[] {
  return processTree(server.pid).slice(1);
}

async function suspend(server: Watched, pids: readonly number[]): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await sleep(2000);
  for (const pid of pids) process.kill(pid, 'SIGCONT');
  await request(server.url);
}

const faults: readonly Fault[] = [
  {
    name: '`while (true)` in a request, `limit_time_cpu = 1`',
    flags: ['--limit-time-cpu=1'],
    happen: (server) => ask(server, '/block'),
  },
  { name: 'an error that nobody caught', happen: (server) => ask(server, '/throw') },
  { name: '`process.exit()` in a request', happen: (server) => ask(server, '/exit') },
  {
    name: 'the heap is full',
    flags: ['--limit-memory-hard=256MiB'],
    happen: (server) => ask(server, '/heap'),
  },
  {
    name: 'a leak: over `limit_memory_soft`',
    flags: ['--limit-memory-soft=300MiB', '--limit-memory-soft-evented=300MiB'],
    happen: (server) => ask(server, '/leak'),
  },
  { name: 'SIGSEGV in native code', happen: (server) => ask(server, '/crash') },
  {
    name: '`kill -9` of a worker process',
    happen: async (server) => {
      const replaced = server.line(REPLACED);
      process.kill(workersOf(server)[0] ?? 0, 'SIGKILL');
      await replaced;
    },
  },
  {
    name: 'everything suspended for 2 s, limits of 1 s',
    flags: ['--limit-time-cpu=1', '--limit-time-real=10'],
    happen: (server) => suspend(server, [server.pid, ...workersOf(server)]),
  },
  {
    name: 'the supervisor suspended for 2 s',
    happen: (server) => suspend(server, [server.pid]),
  },
];

/** @returns whether it was answered as it should be */
function request(url: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const sent = get(url, { agent: false }, (response) => {
    response.on('end', () => resolve(response.statusCode === 200)).on('error', () => resolve(false));
    response.resume();
  });
  sent.on('error', () => resolve(false));
  return promise;
}

interface Visits {
  total: number;
  lost: number;
  /** Milliseconds. */
  longest: number;
}

async function visit(url: string, visits: Visits, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    const begun = performance.now();
    const served = await request(url);
    visits.total += 1;
    if (!served) visits.lost += 1;
    visits.longest = Math.max(visits.longest, performance.now() - begun);
    await sleep(PAUSE_MS);
  }
}

/** One cell of the table. */
async function measure(fault: Fault, mode: Mode, dir: string): Promise<string> {
  const app = join(dir, 'dist/bench/targets/faulty.js');
  const flags = ['--http-interface=127.0.0.1', '--http-port=0', '--log-format=json', '--no-access-log'];
  const command = [join(dir, 'bin/tricorn.js'), app, ...modes[mode], ...flags, ...(fault.flags ?? [])];
  const server = await Watched.start(command, { NODE_OPTIONS: SMALL_HEAP });
  const end = new AbortController();
  const visits: Visits = { total: 0, lost: 0, longest: 0 };
  const held = Array.from({ length: HELD }, () => request(`${server.url}/slow?ms=${SLOW_MS}`));
  const visitors = Array.from({ length: VISITORS }, () => visit(server.url, visits, end.signal));
  await sleep(500);
  const begun = performance.now();
  await fault.happen(server, mode);
  const took = (performance.now() - begun) / 1000;
  const answered = await Promise.all(held);
  end.abort();
  await Promise.all(visitors);
  await server.stop();
  const lost = answered.filter((served) => !served).length;
  const longest = (visits.longest / 1000).toFixed(1);
  return `${lost} of ${HELD}; ${visits.lost} of ${visits.total}, ${longest} s; ${took.toFixed(1)} s`;
}

const { values } = parseArgs({ options: { write: { type: 'boolean' } } });
const built = buildUntilExit(killAllWatched);

const rows: string[][] = [];
for (const fault of faults) {
  const row = [fault.name];
  for (const mode of Object.keys(modes) as Mode[]) {
    row.push(await measure(fault, mode, built.dir));
    console.error(`${fault.name}, ${mode}: ${row.at(-1)}`);
  }
  rows.push(row);
}
const facts = machineFacts('none').filter(([name]) => ['date', 'CPU', 'Node.js'].includes(name));
const text = [
  table(['fault', ...Object.keys(modes)], rows),
  facts.map(([name, value]) => `${name}: ${value}`).join('; '),
];
console.log(text.join('\n\n'));
if (values.write) await publish(new URL('../docs/reliability.md', import.meta.url), 'faults', text.join('\n\n'));
