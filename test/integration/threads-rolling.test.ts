/** A rolling reload in threaded mode: the worker process stays, its threads are replaced one after the other. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get } from '../support/http.ts';
import { type Load, startLoad } from '../support/load/load.ts';
import { formatReport } from '../support/load/tally.ts';
import { fixture, startTricorn, type Tricorn } from '../support/tricorn.ts';

const everybody = { keepAlive: 4, fresh: 4, pipelined: 1, upload: 1, download: 1, sse: 1, websocket: 1 };
const RELOADED = /^Reload: generation \d+ serves/;
const FAILED = /^Reload failed, generation \d+ serves on/;
const THREADS = 3;

/** @param first what it does as it is loaded */
function appOf(version: string, first = ''): string {
  return `
    import { appendFileSync, readFileSync } from 'node:fs';
    import { defineApp } from 'tricorn';
    import app, { plugin } from ${JSON.stringify(fixture('load-app.ts'))};
    import { version } from './version.mjs';
    ${first}
    export default defineApp({
      http: async (fastify) => {
        fastify.get('/version', async () => version + ' ' + ${JSON.stringify(version)});
        await plugin(fastify);
      },
      onStart: app.onStart,
    });`;
}

/** The second of its threads does not boot. */
const SECOND_FAILS = `
  const journal = import.meta.dirname + '/journal';
  appendFileSync(journal, '.');
  if (readFileSync(journal, 'utf8').length === 2) throw new Error('not twice');`;

interface Site {
  readonly server: Tricorn;
  readonly load: Load;
  deploy(version: string, first?: string): void;
  /** What many connections of their own are told. */
  versions(): Promise<string[]>;
}

async function start(t: Test): Promise<Site> {
  const folder = t.testdir({});
  const deploy = (version: string, first?: string): void => {
    writeFileSync(join(folder, 'version.mjs'), `export const version = ${JSON.stringify(version)};`);
    writeFileSync(join(folder, 'app.mjs'), appOf(version, first));
  };
  deploy('one');
  writeFileSync(join(folder, 'tricorn.ini'), `[options]\nreload_strategy = rolling\nthreads = ${THREADS}\n`);
  const server = await startTricorn(t, 'app.mjs', ['--no-access-log'], { cwd: folder });
  const load = startLoad(server.url, { clients: everybody });
  t.teardown(() => load.stop());
  await load.until(100);
  const versions = async (): Promise<string[]> => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => get(`${server.url}/version`)));
    return [...new Set(answers.map(({ body }) => body))].toSorted();
  };
  return { server, load, deploy, versions };
}

t.test('5 reloads lose no request, and the worker process stays', async (t) => {
  const { server, load, deploy, versions } = await start(t);
  const old = server.workers();
  for (let reload = 1; reload <= 5; reload += 1) {
    deploy(`version ${reload}`);
    server.kill('SIGHUP');
    await Promise.race([server.count(RELOADED, reload), load.until(Infinity)]);
    t.same(await versions(), [`version ${reload} version ${reload}`]);
    t.same(server.workers(), old);
  }
  const generations = new Set([...load.servedBy].map((who) => who.split('.').at(-1)));
  t.ok(generations.size > 2, 'each is a generation of its own');
  t.notOk(
    server.lines.some(({ msg }) => msg.startsWith('worker')),
    'no other one came or went',
  );
  const report = await load.stop();
  t.strictSame(report.failures, [], formatReport(report));
  t.comment(formatReport(report));
});

t.test('a worker that dies later starts again with the code and the number of the new generation', async (t) => {
  const { server, load, deploy, versions } = await start(t);
  await load.stop();
  deploy('two');
  server.kill('SIGHUP');
  await server.line(RELOADED);
  await server.line(/^Generation 1 has ended$/);
  const [old = 0] = server.workers();
  process.kill(old, 'SIGKILL');
  await server.line(/^worker 1 \(pid \d+\) is ready$/);
  t.same(await versions(), ['two two']);
  t.match((await get(`${server.url}/content?seed=1&size=1`)).headers['x-served-by'], /\.2$/);
  server.kill('SIGTERM');
  t.strictSame(await server.ended, [0, null]);
});

t.test('where no thread boots, none is replaced; where the second does not, the first stays', async (t) => {
  const { server, load, deploy, versions } = await start(t);
  const old = server.workers();
  deploy('two', "throw new Error('never');");
  server.kill('SIGHUP');
  const never = await Promise.race([server.line(FAILED), load.until(Infinity).then(() => undefined)]);
  t.match(never?.stack, /never/);
  t.same(await versions(), ['one one']);
  t.notOk(
    server.lines.some(({ msg }) => /^thread .* it is replaced$/.test(msg)),
    'and the log does not say so',
  );
  deploy('two', SECOND_FAILS);
  server.kill('SIGHUP');
  const twice = await Promise.race([server.count(FAILED, 2), load.until(Infinity).then(() => undefined)]);
  t.match(twice?.stack, /not twice/);
  t.match(twice?.msg, /after 1 of its threads had: they run the new code, 2 the old/);
  // Those with the fewest connections are asked first: maybe only one of them.
  for (const version of await versions()) t.ok(['one one', 'two two'].includes(version), version);
  deploy('three');
  server.kill('SIGHUP');
  await Promise.race([server.line(RELOADED), load.until(Infinity)]);
  t.same(await versions(), ['three three']);
  t.same(server.workers(), old);
  const report = await load.stop();
  t.strictSame(report.failures, [], formatReport(report));
});

t.test('a boot that never ends fails after boot_timeout; a stop meanwhile stops', async (t) => {
  const folder = t.testdir({ 'app.mjs': 'export const handler = (_, response) => response.end();' });
  const flags = ['--reload-strategy=rolling', '--threads=2', '--boot-timeout=10'];
  const server = await startTricorn(t, 'app.mjs', flags, { cwd: folder });
  writeFileSync(
    join(folder, 'app.mjs'),
    'await new Promise(() => setInterval(() => {}, 1000)); export const handler = 1;',
  );
  server.kill('SIGHUP');
  await server.line(FAILED);
  t.equal((await get(server.url)).status, 200);
  server.kill('SIGHUP');
  await server.count(/^Reload: .* starts$/, 2);
  server.kill('SIGTERM');
  t.strictSame(await server.ended, [0, null]);
});

t.test('another folder or setting needs another process', async (t) => {
  const folder = t.testdir({});
  const release = (name: string, ini: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'app.mjs'), `export const handler = (_, response) => response.end('${name}');`);
    writeFileSync(join(folder, name, 'tricorn.ini'), `[options]\nreload_strategy = rolling\nthreads = 2\n${ini}`);
    symlinkSync(name, join(folder, 'link'));
    renameSync(join(folder, 'link'), join(folder, 'current'));
  };
  release('one', '');
  const current = join(folder, 'current');
  const server = await startTricorn(t, 'app.mjs', [], { cwd: current, env: { PWD: current } });
  const old = server.workers();
  release('two', '');
  server.kill('SIGHUP');
  await server.line(RELOADED);
  t.equal((await get(server.url)).body, 'two');
  await server.line(/^Generation 1 has ended$/);
  t.notSame(server.workers(), old);
});
