import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { WireError } from '../../../src/errors.ts';
import type { LoopStack } from '../../../src/protocol.ts';
import { bindListener } from '../../../src/supervisor/listener.ts';
import { inherit } from '../../../src/supervisor/inheritance.ts';
import { spawnWorker } from '../../../src/supervisor/spawn-worker.ts';
import { WorkerHandle } from '../../../src/supervisor/worker-handle.ts';
import { load } from '../config/support.ts';
import { holds } from '../log/support.ts';
import { bootOf, entered } from '../supervisor/support.ts';

/** Notes that it is being loaded, and waits for a file before it goes on; for a writer, where there is a fifo. Its routes end or throw in a thread. */
const APP = `
  import { appendFileSync, existsSync, readFileSync, watch } from 'node:fs';
  const folder = import.meta.dirname;
  if (existsSync(folder + '/fifo')) readFileSync(folder + '/fifo');
  const watcher = watch(folder);
  appendFileSync(folder + '/journal', 'loading;');
  while (!existsSync(folder + '/go')) await new Promise((resolve) => watcher.once('change', resolve));
  watcher.close();
  export const handler = (request, response) => {
    if (request.url === '/exit') process.exit(7);
    response.end('served');
  };`;

interface Pool {
  readonly handle: WorkerHandle;
  readonly folder: string;
  readonly port: number;
  /** Lets the app go on. */
  go(): void;
  /** Resolves when so many threads have begun to load the app. */
  loading(threads: number): Promise<unknown>;
  /** The numbers of the threads there are. */
  threads(): Promise<number[]>;
}

/** A real worker process in threaded mode. */
async function startPool(t: Test, threads: number): Promise<Pool> {
  const folder = t.testdir({ 'app.mjs': APP });
  const { config } = load(folder, { argv: ['app.mjs', `--threads=${threads}`, '--logfile=log'] });
  const listener = await bindListener('127.0.0.1', 0);
  const { fds, listeners } = inherit([listener], threads);
  const boot = { threads, address: listener.address, listeners };
  const handle = new WorkerHandle(spawnWorker({ folder: process.cwd(), fds }), bootOf(config, boot), () =>
    performance.now(),
  );
  t.teardown(async () => {
    listener.close();
    handle.kill();
    await entered(handle, 'exited');
  });
  return {
    handle,
    folder,
    port: listener.address.port,
    go: () => writeFileSync(join(folder, 'go'), ''),
    loading: (count) => holds(join(folder, 'journal'), 'loading;'.repeat(count)),
    threads: async () => ((await handle.askUsage())?.loops ?? []).map(({ thread }) => thread),
  };
}

/** How the boot ends. */
async function bootOfPool({ handle }: Pool): Promise<string> {
  const failed = once(handle, 'fatal') as Promise<[WireError]>;
  return Promise.race([
    entered(handle, 'ready').then(() => 'ready'),
    failed.then(([{ code, stack }]) => `${code} ${stack.split('\n')[0]}`),
  ]);
}

/** Answered over the lifeline, after the orders that were sent before. */
function stacksOf({ handle }: Pool): Promise<readonly LoopStack[]> {
  return handle.askStacks();
}

async function request({ port }: Pool, path: string): Promise<string> {
  const sent = get({ port, path, agent: false });
  const [response] = (await once(sent, 'response')) as [AsyncIterable<Buffer>];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return body;
}

t.test('all threads boot, then the worker is ready and serves; a drain ends it', async (t) => {
  const pool = await startPool(t, 2);
  await pool.loading(2);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  t.same(await pool.threads(), [1, 2]);
  t.equal(await request(pool, '/'), 'served');
  pool.handle.drain(Infinity);
  await entered(pool.handle, 'exited');
  t.same(pool.handle.exit, { code: 0, signal: null, expected: true });
});

t.test('a thread that dies is replaced by its number; the others serve on', async (t) => {
  const pool = await startPool(t, 2);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  await t.rejects(request(pool, '/exit'), { code: 'ECONNRESET' });
  const log = await holds(join(pool.folder, 'log'), 'is ready');
  t.match(log, /thread (\d) died: exit code 7; it is replaced.*thread \1 is ready/s);
  t.same(new Set(await pool.threads()), new Set([1, 2]));
  t.equal(await request(pool, '/'), 'served');
});

t.test('a thread that replaces another is ended at boot_timeout, with where it stands, and tried again', async (t) => {
  const pool = await startPool(t, 2);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  pool.handle.send({ type: 'live', settings: { boot_timeout: 0.1 } });
  rmSync(join(pool.folder, 'go'));
  await t.rejects(request(pool, '/exit'), { code: 'ECONNRESET' });
  const log = await holds(join(pool.folder, 'log'), 'TRC_BOOT_TIMEOUT');
  t.match(log, /thread \d: the app .*app\.mjs was not ready within boot_timeout = 0\.1 s/);
  t.equal(await request(pool, '/'), 'served', 'by the other one');
  pool.handle.send({ type: 'live', settings: { boot_timeout: 60 } });
  pool.go();
  await holds(join(pool.folder, 'log'), 'is ready');
  t.same(new Set(await pool.threads()), new Set([1, 2]));
});

t.test('one that cannot even be ended, for it is stuck outside of JavaScript, is not waited for', async (t) => {
  const pool = await startPool(t, 2);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  spawnSync('mkfifo', [join(pool.folder, 'fifo')]);
  pool.handle.send({ type: 'live', settings: { boot_timeout: 2 } });
  await t.rejects(request(pool, '/exit'), { code: 'ECONNRESET' });
  // On a busy machine the first ones may not get so far in time.
  const log = await holds(join(pool.folder, 'log'), 'stuck outside of JavaScript');
  t.match(log, /TRC_BOOT_TIMEOUT/);
  pool.handle.send({ type: 'live', settings: { boot_timeout: 60 } });
  renameSync(join(pool.folder, 'fifo'), join(pool.folder, 'held'));
  await holds(join(pool.folder, 'log'), 'is ready');
  t.same(new Set(await pool.threads()), new Set([1, 2]), 'the other one, and a new one beside it');
  // Opened for both, so that nobody waits.
  closeSync(openSync(join(pool.folder, 'held'), 'r+'));
});

t.test('a stop does not wait for a thread that boots', async (t) => {
  const pool = await startPool(t, 2);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  rmSync(join(pool.folder, 'go'));
  await t.rejects(request(pool, '/exit'), { code: 'ECONNRESET' });
  await pool.loading(3);
  pool.handle.drain(Infinity);
  const log = await holds(join(pool.folder, 'log'), 'did not end in time: ended');
  t.match(log, /thread \d did not end/);
  await entered(pool.handle, 'exited');
  t.same(pool.handle.exit, { code: 0, signal: null, expected: true });
});

t.test('it grows and shrinks by the highest number', async (t) => {
  const pool = await startPool(t, 1);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  pool.handle.send({ type: 'threads', count: 2 });
  await holds(join(pool.folder, 'log'), 'thread 2 is ready');
  t.same(await pool.threads(), [1, 2]);
  pool.handle.send({ type: 'threads', count: 1 });
  await holds(join(pool.folder, 'log'), 'thread 2 has ended');
  t.same(await pool.threads(), [1]);
});

t.test('one thread less while the first boot runs does not fail the boot', async (t) => {
  const pool = await startPool(t, 2);
  await pool.loading(2);
  pool.handle.send({ type: 'threads', count: 1 });
  await stacksOf(pool);
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
});

t.test('one thread more at the very begin of the boot is not forgotten', async (t) => {
  const pool = await startPool(t, 1);
  pool.handle.send({ type: 'threads', count: 2 });
  pool.go();
  t.equal(await bootOfPool(pool), 'ready');
  t.same(await pool.threads(), [1, 2]);
});
