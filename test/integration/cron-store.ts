/**
 * A store that is away: jobs pause, HTTP does not notice, and a stop does not wait for it. cron-store.*.test.ts run it, one file
 * a mode.
 */
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startCronSite } from '../support/cron-site.ts';
import { get } from '../support/http.ts';
import type { Mode } from '../support/tricorn.ts';
import { startPostgres } from '../unit/cron/postgres-server.ts';

const YEARLY = "schedule: '@yearly'";
const AWAY = /^Jobs pause: /;
const BACK = /^The store of the jobs, .*, is back after /;
/** Each cron worker has a store of its own. */
const CREW = 2;

export function cronStores(mode: Mode): void {
  unwritable(mode);
  removed(mode);
  postgres(mode);
}

function unwritable(mode: Mode): void {
  t.test('data_dir cannot be written at boot: HTTP is up, and jobs start when it can', async (t) => {
    const jobs = `{ often: { every: 1, run: noted() }, asked: { ${YEARLY}, run: noted() } }`;
    const folder = mkdtempSync(join(tmpdir(), 'tricorn-data-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'taken'), '');
    const site = await startCronSite(t, { mode, ini: `data_dir = ${join(folder, 'taken/data')}`, jobs });
    const { server, noted, notes } = site;
    await server.count(AWAY, CREW);
    t.equal((await get(server.url)).status, 200);
    t.match(await get(`${server.url}/trigger/asked`), { status: 503, body: 'TRC_STORE' });
    t.equal(notes().length, 0);
    rmSync(join(folder, 'taken'));
    await server.count(BACK, CREW);
    await noted({ job: 'often', what: 'end' }, 2);
    t.equal((await get(`${server.url}/trigger/asked`)).status, 200);
    await noted({ job: 'asked', what: 'end' });
    t.equal(server.lines.filter(({ level }) => level >= 40).length, CREW, 'one line each');
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

function removed(mode: Mode): void {
  t.test('data_dir is removed while it serves: noticed and told, and jobs go on in a new one', async (t) => {
    const site = await startCronSite(t, {
      mode,
      jobs: `{ often: { every: 1, run: noted() }, asked: { ${YEARLY}, run: noted() } }`,
    });
    const { server, noted, folder, jobsUntil } = site;
    t.equal((await get(`${server.url}/trigger/asked`)).status, 200);
    await noted({ job: 'asked', what: 'end' });
    // In one step: what a worker puts there meanwhile would keep it from being removed.
    renameSync(join(folder, '.tricorn'), join(folder, 'removed'));
    rmSync(join(folder, 'removed'), { recursive: true });
    await server.count(/^Jobs pause: .* it was removed or replaced while it was open/, CREW);
    await server.count(BACK, CREW);
    t.equal((await get(`${server.url}/trigger/asked`)).status, 200, 'by whoever has not noticed yet');
    await noted({ job: 'asked', what: 'end' }, 2);
    const found = await jobsUntil(({ asked }) => asked?.last !== undefined && asked.last !== null);
    t.match(found, { asked: { last: { runId: 1 } }, often: { state: /waiting|running/ } });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

/** Stands between the service and a PostgreSQL server, and can stop to pass on what they say. */
async function startMiddle(t: Test, url: string): Promise<{ url: string; fallSilent(): void }> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  let isSilent = false;
  const middle = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    if (isSilent) return;
    const beyond = connect({ host: hostname, port: Number(port) }).on('error', () => socket.destroy());
    sockets.push(beyond);
    socket.pipe(beyond).pipe(socket);
    socket.once('close', () => beyond.destroy());
  }).listen(0, '127.0.0.1');
  await once(middle, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    middle.close();
  });
  const through = new URL(url);
  through.port = String((middle.address() as AddressInfo).port);
  return {
    url: through.href,
    fallSilent: () => {
      isSilent = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

function postgres(mode: Mode): void {
  t.test('PostgreSQL', async (t) => {
    const database = await startPostgres(t);
    const jobs = `{
      often: { every: 1, run: noted() },
      held: { ${YEARLY}, run: noted(async () => { while (!existsSync('go')) await pass(20); }) },
    }`;
    const more = "import { existsSync } from 'node:fs';";
    const ini = (url: string): string => `graceful_timeout = 60\ndb_url = ${url}`;

    await t.test('nobody listens at boot: HTTP is up, and jobs start when somebody does', async (t) => {
      const url = await database.database();
      await database.stop();
      const { server, noted } = await startCronSite(t, { mode, ini: ini(url), jobs, more });
      // Whoever has not tried yet would find it there.
      t.match(await server.count(AWAY, CREW), { level: 50, role: 'cron', msg: /ECONNREFUSED/ });
      t.equal((await get(server.url)).status, 200);
      t.match(await get(`${server.url}/trigger/often`), { status: 503, body: 'TRC_STORE' });
      await database.start();
      await server.count(BACK, CREW);
      await noted({ job: 'often', what: 'end' });
      t.equal(server.lines.filter(({ level }) => level >= 40).length, CREW, 'one line each');
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
    });

    await t.test('somebody listens, but never answers: it is ready, and stops, before that is given up', async (t) => {
      const middle = await startMiddle(t, await database.database());
      middle.fallSilent();
      const { server } = await startCronSite(t, { mode, ini: ini(middle.url), jobs, more });
      t.equal((await get(server.url)).status, 200);
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
      t.notOk(server.lines.some(({ msg }) => AWAY.test(msg)));
    });

    await t.test('it falls silent: a stop does not wait until it is given up', async (t) => {
      const middle = await startMiddle(t, await database.database());
      const { server, noted } = await startCronSite(t, { mode, ini: ini(middle.url), jobs, more });
      await noted({ job: 'often', what: 'end' });
      middle.fallSilent();
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
      t.notOk(server.lines.some(({ level }) => level >= 40));
    });

    await t.test('it stops in mid-run: the stop waits for the job, not for whom to tell of its end', async (t) => {
      const site = await startCronSite(t, { mode, ini: ini(await database.database()), jobs, more });
      const { server, noted, folder } = site;
      await get(`${server.url}/trigger/held`);
      await noted({ job: 'held', what: 'begin' });
      await database.stop();
      await server.count(AWAY, CREW);
      server.kill('SIGTERM');
      writeFileSync(join(folder, 'go'), '');
      await noted({ job: 'held', what: 'end' });
      const at = Date.now();
      t.strictSame(await server.ended, [0, null]);
      t.ok(Date.now() - at < 30_000, 'half of graceful_timeout');
    });
  });
}
