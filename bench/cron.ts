/**
 * Jobs, on both engines, beside pg-boss on the same PostgreSQL server in the same run: from trigger() to the start of the run,
 * runs per second, and statements while nothing is to be done.
 *
 *     node bench/cron.ts            about 9 minutes; exit code 1 where a run starts later than the budget below
 *     node bench/cron.ts --quick    1 minute: tells whether the benchmark works
 *     node bench/cron.ts --write    puts the report into docs/performance.md
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../test/unit/cron/postgres-server.ts';
import { buildUntilExit } from './support/build.ts';
import { countSqlite, latency, pgBoss, stop, throughput, tricorn, type Contestant } from './support/cron-servers.ts';
import { machineFacts } from './support/machine.ts';
import { publish, table } from './support/markdown.ts';
import { killAllWatched } from './support/watched.ts';

/** From trigger() to the start, p99, milliseconds. */
const BUDGET_MS = { here: 100, apart: 250 };

const { values } = parseArgs({ options: { quick: { type: 'boolean' }, write: { type: 'boolean' } } });
const rounds = values.quick ? 1 : 5;
/** Of each contestant in each round. Whoever polls takes a quarter of a second for each. */
const samples = values.quick ? 20 : 200;
const fewSamples = values.quick ? 5 : 30;
const runs = values.quick ? 200 : 1000;
const idleMinutes = values.quick ? 0.2 : 3;
/** What has started comes to rest, what is written first is slow. */
const SETTLE_MS = 5000;
const WARM_UP = 50;

/** By name, what was measured in each round. */
type Measured = Map<string, number[][]>;

function add(measured: Measured, name: string, found: number[]): void {
  measured.set(name, [...(measured.get(name) ?? []), found]);
}

function at(numbers: readonly number[], share: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(numbers.length * share) - 1)] ?? Number.NaN;
}

/** A figure of each round as a multiple of another's in the same round: the median, and in brackets the quartiles. */
function ratio(own: readonly number[], base: readonly number[]): string {
  const ratios = own.map((value, round) => value / (base[round] ?? Number.NaN));
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => at(ratios, share).toFixed(2));
  return `${middle} (${low}-${high})`;
}

function figures(measured: Measured, name: string, share: number): number[] {
  return (measured.get(name) ?? []).map((found) => at(found, share));
}

/** In another order each round. */
function turned<T>(all: readonly T[], round: number): T[] {
  return all.map((_, index) => all[(index + round) % all.length]!);
}

const here = 'PostgreSQL, one machine';
const apart = 'PostgreSQL, two machines';
const notified = 'pg-boss, notified';
const polling = 'pg-boss, polling every 0.5 s';

async function latencies(): Promise<{ text: string; isKept: boolean }> {
  const contestants = [
    await tricorn(built.dir, 'SQLite', { url: '', workers: 2 }),
    await tricorn(built.dir, here, { url: await postgres.database(), workers: 2 }),
    await tricorn(built.dir, apart, { url: await postgres.database(), workers: 2, apart: true }),
    await pgBoss(built.dir, notified, await postgres.database(), 'notified'),
    await pgBoss(built.dir, polling, await postgres.database(), 'polling'),
  ];
  await sleep(SETTLE_MS);
  const measured: Measured = new Map();
  for (const one of contestants) await latency(one, fewSamples, false);
  for (let round = 0; round < rounds; round += 1) {
    for (const one of turned(contestants, round)) {
      const isPolling = one.name === polling;
      add(measured, one.name, await latency(one, isPolling ? fewSamples : samples, isPolling));
    }
  }
  for (const one of contestants) await stop(one);
  const all = (name: string): number[] => (measured.get(name) ?? []).flat();
  const rows = contestants.map(({ name }) => [
    name,
    ...[0.5, 0.99].map((share) => at(all(name), share).toFixed(1)),
    ...[0.5, 0.99].map((share) => ratio(figures(measured, name, share), figures(measured, notified, share))),
  ]);
  const heads = ['from asking to the start', 'p50 ms', 'p99 ms', `p50 / ${notified}`, `p99 / ${notified}`];
  const p99 = (name: string): number => at(all(name), 0.99);
  const isKept = Math.max(p99('SQLite'), p99(here)) < BUDGET_MS.here && p99(apart) < BUDGET_MS.apart;
  return { text: table(heads, rows), isKept };
}

interface Entrant {
  readonly name: string;
  readonly jobs: number;
  /** With what it is compared; itself else. */
  readonly base?: string;
  readonly start: (dir: string, name: string) => Promise<Contestant>;
}

function entrants(): Entrant[] {
  const of = (workers: number): Entrant[] => {
    const base = `pg-boss, fetch() and complete(), ${workers} at a time`;
    const title = workers === 1 ? 'one cron worker' : `${workers} cron workers`;
    const own = (url: () => Promise<string>) => async (dir: string, name: string) =>
      tricorn(dir, name, { url: await url(), workers });
    return [
      { name: `SQLite, ${title}`, jobs: workers, base, start: own(async () => '') },
      { name: `PostgreSQL, ${title}`, jobs: workers, base, start: own(() => postgres.database()) },
      {
        name: base,
        jobs: workers,
        start: async (dir, name) => pgBoss(dir, name, await postgres.database(), `single-${workers}`),
      },
    ];
  };
  const batches: Entrant = {
    name: 'pg-boss, batches of 100, 4 at a time',
    jobs: 4,
    base: 'pg-boss, fetch() and complete(), 4 at a time',
    start: async (dir, name) => pgBoss(dir, name, await postgres.database(), 'batches'),
  };
  return [...of(1), ...of(4), batches];
}

/** Each is started anew in every round: one process may be faster than the next, and pg-boss's loops ask all the time. */
async function throughputs(): Promise<string> {
  const measured: Measured = new Map();
  const all = entrants();
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, jobs, start } of turned(all, round)) {
      const contestant = await start(built.dir, `${name} ${round}`);
      await throughput(contestant, WARM_UP, jobs);
      add(measured, name, [await throughput(contestant, runs, jobs)]);
      await stop(contestant);
    }
  }
  const rows = all.map(({ name, base = name }) => [
    name,
    at((measured.get(name) ?? []).flat(), 0.5).toFixed(0),
    ratio(figures(measured, name, 0.5), figures(measured, base, 0.5)),
  ]);
  return table(['asked for, acquired, run and ended', 'runs / s', '/ pg-boss, as many at a time'], rows);
}

/** All at the same time: nobody disturbs anybody. */
async function idle(): Promise<string> {
  const sqlite = countSqlite(built.dir);
  const urls = [await postgres.database(), await postgres.database(), await postgres.database()] as const;
  const contestants = [
    await tricorn(built.dir, 'SQLite, idle', { url: '', workers: 2, env: sqlite.env }),
    await tricorn(built.dir, 'PostgreSQL, idle', { url: urls[0], workers: 2 }),
    await pgBoss(built.dir, notified, urls[1], 'notified'),
    await pgBoss(built.dir, polling, urls[2], 'polling'),
  ];
  const admin = new pg.Client(await postgres.database());
  await admin.connect();
  await admin.query('CREATE EXTENSION pg_stat_statements');
  const sql = `SELECT coalesce(sum(calls), 0)::float8 AS calls FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = $1)`;
  const read = async (url: string): Promise<number> =>
    (await admin.query<{ calls: number }>(sql, [new URL(url).pathname.slice(1)])).rows[0]?.calls ?? Number.NaN;
  const counts = async (): Promise<number[]> => {
    const found = [sqlite.count()];
    for (const url of urls) found.push(await read(url));
    return found;
  };
  await sleep(SETTLE_MS);
  const before = await counts();
  await sleep(idleMinutes * 60_000);
  const after = await counts();
  await admin.end();
  for (const one of contestants) await stop(one);
  const titles = ['SQLite, 2 cron workers', 'PostgreSQL, 2 cron workers', notified, polling];
  const perMinute = after.map((count, index) => (count - (before[index] ?? 0)) / idleMinutes);
  const rows = titles.map((title, index) => [
    title,
    (perMinute[index] ?? 0).toFixed(1),
    ((perMinute[index] ?? 0) / (perMinute[2] ?? 0)).toFixed(3),
  ]);
  return table(['nothing to do', 'statements / minute', `/ ${notified}`], rows);
}

const facts = machineFacts('none').filter(([name]) => /^(date|CPU|Node\.js|load average)/.test(name));
const built = buildUntilExit(killAllWatched);
const ends: (() => unknown)[] = [];
const flags = ['-c', 'fsync=on', '-c', 'shared_preload_libraries=pg_stat_statements'];
const postgres = await startPostgres({ teardown: (end: () => unknown) => void ends.push(end) }, flags);
try {
  const { text, isKept } = await latencies();
  console.error(text);
  const parts = [text, await throughputs()];
  console.error(parts[1]);
  parts.push(await idle(), facts.map(([name, value]) => `${name}: ${value}`).join('; '));
  const report = parts.join('\n\n');
  console.log(report);
  if (values.write) await publish(new URL('../docs/performance.md', import.meta.url), 'cron', report);
  process.exitCode = isKept ? 0 : 1;
} finally {
  killAllWatched();
  for (const end of ends) await end();
}
