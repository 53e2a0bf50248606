/**
 * What two machines on one PostgreSQL server do when it is restarted, and when both of them are killed: proved by what their jobs
 * wrote, each write fenced by its run's number.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { folderOf } from '../support/ini.ts';
import { Ledger, type Write } from '../support/machines/ledger.ts';
import { doubled, ends, gaps, overlaps, unfinished } from '../support/machines/lines.ts';
import { startMachine, TICKING, visit, YEARLY, type Machine } from '../support/machines/machine.ts';
import { get } from '../support/http.ts';
import { gone } from '../support/tricorn.ts';
import { startPostgres } from '../unit/cron/postgres-server.ts';

const SECOND = 1000;
/** That pass while the database is away. */
const TICKS = 4;
/** That a job has run before something happens, and after. */
const SOME = 3;

const server = await startPostgres(t);

function startBoth(t: Test, ledger: Ledger, jobs: string): Promise<[Machine, Machine]> {
  return Promise.all([
    startMachine(t, ledger, { name: 'threaded', mode: 'threaded', jobs }),
    startMachine(t, ledger, { name: 'prefork', mode: 'prefork', jobs }),
  ]);
}

async function triggered(ledger: Ledger, { server }: Machine, name: string): Promise<void> {
  await get(`${server.url}/trigger/${name}`);
  await ledger.until((writes) => writes.some((line) => line.name === name && line.what === 'begin'));
}

/** Ticks that a job has run to their end, none of them before `from`. */
function ticksOf(writes: readonly Write[], name: string, from = 0): number[] {
  return ends(writes).flatMap((line) => (line.name === name && line.tick >= from ? [line.tick] : []));
}

t.test(
  'PostgreSQL restarted: nothing overlaps, ticks go on, what was missed is made up for, HTTP goes on',
  async (t) => {
    const ledger = await Ledger.open(t, await server.database());
    const gate = join(folderOf(t), 'go');
    const machines = await startBoth(
      t,
      ledger,
      `{
      all: { ${TICKING}, run: told(steps(2, 50)) },
      once: { schedule: '* * * * * *', retries: 100, run: told(steps(2, 50)) },
      long: { ${YEARLY}, run: told(untilFile(${JSON.stringify(gate)})) },
    }`,
    );
    await triggered(ledger, machines[0], 'long');
    await ledger.until((writes) => ['all', 'once'].every((name) => ticksOf(writes, name).length >= SOME));
    const visits = visit(machines);
    await server.stop();
    const down = Date.now();
    await Promise.all(machines.map(({ server }) => server.line(/^Jobs pause: /)));
    await tick(down + TICKS * SECOND);
    const up = Date.now();
    await server.start();
    await Promise.all(machines.map(({ server }) => server.line(/^The store of the jobs, .* is back after /)));
    const isOn = (writes: readonly Write[], name: string): boolean => ticksOf(writes, name, up).length >= SOME;
    await ledger.until((writes) => isOn(writes, 'all') && isOn(writes, 'once'));
    writeFileSync(gate, '');
    const writes = await ledger.until((lines) => ticksOf(lines, 'long').length > 0 && gaps(lines, 'all').length === 0);
    await visits.end();
    t.same(overlaps(writes), []);
    t.notOk(writes.some(({ refused }) => refused));
    const between = ticksOf(writes, 'once').filter((at) => at > down && at <= up - SECOND);
    t.same(between, [], '`once`: of the ticks that were missed, the last alone is run');
    t.same(visits.failures, []);
    t.ok(visits.served > 0);
    const run = writes.filter(({ name }) => name === 'long');
    t.match(run, [{ what: 'begin' }, { what: 'end', runId: run[0]?.runId }]);
    t.equal(run.length, 2, 'a run goes on across the restart');
  },
);

/** Resolves at a moment: ticks take place in real time. */
function tick(at: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, at - Date.now()));
}

t.test(
  'both supervisors killed by kill -9 and started again: what they ran is taken up, nothing overlaps',
  async (t) => {
    const ledger = await Ledger.open(t, await server.database());
    // The second attempt ends; nobody waits for the first.
    const jobs = `{
    all: { ${TICKING}, run: told(steps(5, 60)) },
    long: { ${YEARLY}, retries: 100, run: told((job) => job.attempt === 1 ? steps(1000, 50)(job) : undefined) },
    other: { ${YEARLY}, retries: 100, run: told((job) => job.attempt === 1 ? steps(1000, 50)(job) : undefined) },
  }`;
    const machines = await startBoth(t, ledger, jobs);
    await triggered(ledger, machines[0], 'long');
    await triggered(ledger, machines[1], 'other');
    await ledger.until((writes) => ticksOf(writes, 'all').length >= SOME);
    const workers = machines.flatMap(({ server }) => server.workers());
    for (const { server } of machines) server.kill('SIGKILL');
    const killed = Date.now();
    // The workers end by themselves, some of them after the next ones have begun.
    const next = await startBoth(t, ledger, jobs);
    await Promise.all(workers.map(gone));
    await ledger.until(
      (lines) =>
        ['long', 'other'].every((name) => ticksOf(lines, name).length > 0) &&
        ticksOf(lines, 'all', killed).length >= SOME &&
        gaps(lines, 'all').length === 0,
    );
    for (const { server } of next) server.kill('SIGTERM');
    t.same(await Promise.all(next.map(({ server }) => server.ended)), [
      [0, null],
      [0, null],
    ]);
    // Not before: a run may have been going on.
    const writes = await ledger.writes();
    t.same(overlaps(writes), []);
    t.notOk(writes.some(({ refused }) => refused));
    t.same(doubled(writes.filter(({ attempt }) => attempt === 1)), []);
    for (const name of ['long', 'other']) {
      const [first, ...more] = writes.filter((line) => line.name === name && line.what === 'begin');
      t.match(more, [{ attempt: 2, tick: first?.tick }]);
      t.equal(more.length, 1, `${name} was taken up once`);
    }
    // What the next ones began has ended with them.
    t.ok(unfinished(writes).every(({ pid }) => workers.includes(pid)));
  },
);
