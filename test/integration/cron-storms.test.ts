/** Two machines on one PostgreSQL server: ten thousand triggers, and two versions of the app side by side. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { JobStatus } from '../../src/cron/store.ts';
import { get } from '../support/http.ts';
import { folderOf } from '../support/ini.ts';
import { cronWorkersOf, runCommand } from '../support/cron-site.ts';
import { Ledger, type Write } from '../support/machines/ledger.ts';
import { ends, overlaps } from '../support/machines/lines.ts';
import { startMachine, TICKING, YEARLY, type Machine } from '../support/machines/machine.ts';
import { startPostgres } from '../unit/cron/postgres-server.ts';

const STORM = 10_000;
const UNCOALESCED = 500;
/** Of a request. */
const TRIGGERS = 50;
/** Requests at a time. */
const CLIENTS = 8;

/** When a yearly job ticks next: nothing else is due. */
const NEW_YEAR = Date.UTC(new Date().getUTCFullYear() + 1, 0);

const server = await startPostgres(t);

/** Triggers a job so often, half of it on each machine; resolves when all have been promised. */
async function storm(machines: readonly Machine[], name: string, count: number, more = ''): Promise<void> {
  const requests = Array.from({ length: count / TRIGGERS }, (_, index) => machines[index % machines.length]!);
  const client = async (): Promise<void> => {
    for (let machine = requests.pop(); machine; machine = requests.pop()) {
      const { status, body } = await get(`${machine.server.url}/trigger/${name}?count=${TRIGGERS}${more}`);
      if (status !== 200) throw new Error(body);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

const runsOf = (writes: readonly Write[], name: string, what: string): number =>
  writes.filter((line) => line.name === name && line.what === what).length;

/** @returns what `tricorn jobs` says of it, once no run of it goes on: it writes its end before the store knows of it */
async function settled({ folder }: Machine, name: string): Promise<JobStatus | undefined> {
  for (;;) {
    const { stdout } = await runCommand(folder, ['jobs', '--json']);
    const { jobs } = JSON.parse(stdout) as { jobs: JobStatus[] };
    const found = jobs.find((job) => job.name === name);
    if (found?.state !== 'running') return found;
  }
}

t.test(
  '10,000 coalesced triggers are one run while it waits, and one more where they come during the run',
  async (t) => {
    const ledger = await Ledger.open(t, await server.database());
    const [free, go] = ['free', 'go'].map((name) => join(folderOf(t), name)) as [string, string];
    const holds = Array.from({ length: 8 }, (_, index) => `hold${index}`);
    const jobs = `{
    ${holds.map((name) => `${name}: { ${YEARLY}, run: told(untilFile(${JSON.stringify(free)})) }`).join(',\n')},
    asked: { ${YEARLY}, run: told(untilFile(${JSON.stringify(go)})) },
    each: { ${YEARLY}, run: told() },
  }`;
    const machines = await Promise.all([
      startMachine(t, ledger, { name: 'prefork', mode: 'prefork', jobs }),
      startMachine(t, ledger, { name: 'threaded', mode: 'threaded', jobs }),
    ]);
    for (const name of holds) await get(`${machines[0].server.url}/trigger/${name}`);
    await ledger.until((writes) => holds.every((name) => runsOf(writes, name, 'begin') === 1));
    await storm(machines, 'asked', STORM);
    t.equal(runsOf(await ledger.writes(), 'asked', 'begin'), 0, 'all eight cron workers are busy');
    writeFileSync(free, '');
    await ledger.until((writes) => runsOf(writes, 'asked', 'begin') === 1);
    await storm(machines, 'asked', STORM);
    t.equal(runsOf(await ledger.writes(), 'asked', 'begin'), 1);
    writeFileSync(go, '');
    await ledger.until((writes) => runsOf(writes, 'asked', 'end') === 2);
    await storm(machines, 'each', UNCOALESCED, '&coalesce=false');
    const writes = await ledger.until((lines) => runsOf(lines, 'each', 'end') >= UNCOALESCED);
    for (const name of ['asked', 'each'])
      t.match(await settled(machines[0], name), { state: 'waiting', nextAt: NEW_YEAR });
    t.equal(runsOf(writes, 'asked', 'begin'), 2);
    t.equal(runsOf(writes, 'each', 'begin'), UNCOALESCED, 'without coalescing, each is a run');
    t.same(overlaps(writes), []);
  },
);

t.test(
  'two versions side by side: the newer schedule wins, and a job that one machine knows is run by it alone',
  async (t) => {
    const ledger = await Ledger.open(t, await server.database());
    const shared = (seconds: string): string =>
      `shared: { schedule: '${seconds} * * * * *', missed: 'all', retries: 100, run: told() }`;
    const [even, odd] = [shared('*/2'), shared('1-59/2')];
    const old = await startMachine(t, ledger, {
      name: 'old',
      mode: 'prefork',
      jobs: `{ ${even}, dropped: { ${TICKING}, run: told() } }`,
    });
    await ledger.until((writes) => ['shared', 'dropped'].every((name) => runsOf(writes, name, 'end') > 0));
    const jobs = `{ ${odd}, added: { ${TICKING}, run: told() } }`;
    await startMachine(t, ledger, { name: 'new', mode: 'threaded', jobs });
    const isBy = (machine: string, name: string) => (line: Write) =>
      line.machine === machine && line.name === name && line.what === 'end';
    const isOdd = ({ tick }: Write): boolean => (tick / 1000) % 2 === 1;
    await ledger.until((writes) =>
      ['old', 'new'].every((machine) => writes.filter(isOdd).some(isBy(machine, 'shared'))),
    );
    // What the older generation starts anew changes nothing.
    const [victim = 0] = cronWorkersOf(old);
    process.kill(victim, 'SIGKILL');
    await old.server.line(/^cron worker \d+ \(pid \d+\) is ready$/);
    const known = (await ledger.writes()).length;
    await ledger.until((writes) => writes.slice(known).filter(isBy('new', 'added')).length >= 3);
    const beside = await ledger.writes();
    t.notOk(beside.some(({ name, machine }) => name === 'added' && machine === 'old'));
    const firstNew = beside.findIndex(isBy('new', 'added'));
    const after = beside.filter(({ tick }) => tick > (beside[firstNew]?.tick ?? 0));
    t.ok(after.filter(({ name }) => name === 'shared').every(isOdd));
    t.notOk(after.some(({ name }) => name === 'dropped'));
    // The deployment goes on: now both have the newer version.
    old.deploy(jobs);
    old.server.kill('SIGHUP');
    const writes = await ledger.until((lines) => lines.some(isBy('old', 'added')));
    t.same(overlaps(writes), []);
    t.ok(ends(writes).length > 0);
  },
);
