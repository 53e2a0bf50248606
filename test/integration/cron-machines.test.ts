/**
 * Two supervisors as two machines on one PostgreSQL server, with four cron workers each, and jobs that tick each second: what they
 * did is proved by what they wrote, in the same database, each write fenced by its run's number.
 */
import t, { type Test } from 'tap';
import { cronWorkersOf } from '../support/cron-site.ts';
import { Ledger, type Write } from '../support/machines/ledger.ts';
import { doubled, ends, gaps, overlaps, unfinished } from '../support/machines/lines.ts';
import { startMachine, TICKING, type Machine } from '../support/machines/machine.ts';
import { startPostgres } from '../unit/cron/postgres-server.ts';

const NAMES = ['a', 'b', 'c', 'd'];
/** It is due again, and its run would be taken for one whose worker has died, before it is over. */
const SLOW = "schedule: '* * * * * *', retries: 100, run: told(steps(30, 60))";
const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Of a random cron worker, one every two ticks. */
const KILLS = 20;

const server = await startPostgres(t);

async function start(t: Test, work: string): Promise<{ ledger: Ledger; machines: Machine[] }> {
  const ledger = await Ledger.open(t, await server.database());
  const ticking = NAMES.map((name) => `${name}: { ${TICKING}, run: told(${work}) }`);
  const jobs = `{ ${ticking.join(', ')}, slow: { ${SLOW} } }`;
  const machines = await Promise.all([
    startMachine(t, ledger, { name: 'prefork', mode: 'prefork', jobs }),
    startMachine(t, ledger, { name: 'threaded', mode: 'threaded', jobs }),
  ]);
  return { ledger, machines };
}

async function stop(machines: readonly Machine[]): Promise<void> {
  for (const { server } of machines) server.kill('SIGTERM');
  await Promise.all(machines.map(({ server }) => server.ended));
}

t.test('a minute of ticks: none is lost, doubled or overlapped, and both machines run them', async (t) => {
  const { ledger, machines } = await start(t, 'steps(2, 50)');
  t.same(
    machines.map((machine) => cronWorkersOf(machine).length),
    [4, 1],
    'processes, or threads of one',
  );
  const isLong = (writes: readonly Write[], name: string): boolean => {
    const ticks = ends(writes).flatMap((line) => (line.name === name ? [line.tick] : []));
    return Math.max(...ticks) - Math.min(...ticks) >= MINUTE;
  };
  // On a busy machine some of the workers are late again and again, and find nothing left.
  const haveAllRun = (writes: readonly Write[]): boolean => new Set(writes.map(({ pid }) => pid)).size === 5;
  await ledger.until((writes) => haveAllRun(writes) && NAMES.every((name) => isLong(writes, name)));
  await stop(machines);
  const writes = await ledger.writes();
  t.same(overlaps(writes), []);
  t.same(doubled(writes), []);
  t.same(unfinished(writes), [], 'the stop lets them end');
  for (const name of NAMES) {
    t.same(gaps(writes, name), [], `${name} has all of its ticks`);
    t.ok(ends(writes).filter((line) => line.name === name).length > 60);
  }
  t.ok(writes.every(({ attempt, refused }) => attempt === 1 && !refused));
  t.ok(ends(writes).some(({ name }) => name === 'slow'));
  t.same([...new Set(writes.map(({ machine }) => machine))].sort(), ['prefork', 'threaded']);
  t.equal(new Set(writes.map(({ pid }) => pid)).size, 5, 'every cron worker has run some');
  t.same(
    machines.flatMap(({ server }) => server.lines.filter(({ level }) => level >= 40)),
    [],
    'nothing to complain about',
  );
});

t.test('kill -9 of a random cron worker every 2 s: each tick at least once, no two runs at a time', async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.comment(`seed ${seed}`);
  const random = randomOf(seed);
  const { ledger, machines } = await start(t, 'steps(5, 60)');
  const first = newest(await ledger.until((writes) => ends(writes).length > 0));
  let interrupted = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const due = first + 2 * kill * SECOND;
    await ledger.until((writes) => newest(writes) >= due);
    interrupted += await killOne(ledger, machines, random);
  }
  const last = newest(await ledger.writes());
  const isWhole = (writes: readonly Write[], name: string): boolean =>
    gaps(writes, name).length === 0 && newest(ends(writes).filter((line) => line.name === name)) > last;
  await ledger.until((writes) => NAMES.every((name) => isWhole(writes, name)));
  await stop(machines);
  const writes = await ledger.writes();
  t.same(overlaps(writes), [], `seed ${seed}`);
  for (const name of NAMES) t.same(gaps(writes, name), [], `${name} has all of its ticks; seed ${seed}`);
  t.notOk(writes.some(({ refused }) => refused));
  t.ok(interrupted > 0, `${interrupted} runs were interrupted; seed ${seed}`);
  // The next tick overtakes one of `slow` that waits for its retry: it is not of those that are all run.
  const ticking = unfinished(writes).filter(({ name }) => name !== 'slow');
  t.ok(ticking.every((run) => isRunAgain(writes, run)));
});

/** The tick of the newest line. */
function newest(writes: readonly Write[]): number {
  return Math.max(0, ...writes.map(({ tick }) => tick));
}

/** @returns how many runs that has interrupted */
async function killOne(ledger: Ledger, machines: readonly Machine[], random: () => number): Promise<number> {
  const crew = machines.flatMap(cronWorkersOf);
  const victim = crew[Math.floor(random() * crew.length)];
  if (victim === undefined) return 0;
  killIfThere(victim);
  return unfinished(await ledger.writes()).filter(({ pid }) => pid === victim).length;
}

/** On a busy machine, one that was killed before may be on its way still. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH.
  }
}

function isRunAgain(writes: readonly Write[], { name, tick, attempt }: Write): boolean {
  return ends(writes).some((line) => line.name === name && line.tick === tick && line.attempt > attempt);
}

/** Numbers from 0 to 1 that a seed brings back: mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
