import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { beginSession, isAlive, sweepSessions } from '../../../src/cron/sqlite-session.ts';
import { stop } from '../../support/idle.ts';
import { source } from '../supervisor/support.ts';

/** A process that holds a session. */
async function holder(t: Test, folder: string): Promise<{ child: ChildProcess; id: string }> {
  const child = fork(t.testdir({ folder: {}, 'holder.mjs': script('process.send(session.id)') }) + '/holder.mjs', [
    folder,
  ]);
  t.teardown(() => child.kill('SIGKILL'));
  const [id] = (await once(child, 'message')) as [string];
  return { child, id };
}

const script = (tell: string): string => `
  import { beginSession } from ${source('cron/sqlite-session.ts')};
  import { parentPort, workerData } from 'node:worker_threads';
  const session = globalThis.session = beginSession(workerData ?? process.argv[2]);
  ${tell};
  setInterval(() => {}, 1e6);
`;

t.test('a session lives as long as its process, also when that is stopped, and not longer', async (t) => {
  const folder = `${t.testdirName}/folder`;
  const { child, id } = await holder(t, folder);
  t.equal(isAlive(folder, id), true);
  await stop(child.pid!);
  t.equal(isAlive(folder, id), true, 'stopped');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  t.equal(isAlive(folder, id), false, 'killed');
  t.same(readdirSync(folder), [], 'nothing is left of it');
});

t.test('a session of a thread ends with the thread, though the process goes on', async (t) => {
  const folder = t.testdir();
  for (const tell of ['parentPort.postMessage(session.id)', 'parentPort.postMessage(session.id); for (;;);']) {
    const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script(tell))}`), {
      workerData: folder,
    });
    const [id] = (await once(thread, 'message')) as [string];
    t.equal(isAlive(folder, id), true);
    await thread.terminate();
    t.equal(isAlive(folder, id), false);
  }
});

t.test('one of our own is alive until it is ended; a sweep leaves it alone', async (t) => {
  const folder = t.testdir();
  const session = beginSession(folder);
  sweepSessions(folder);
  t.equal(isAlive(folder, session.id), true);
  t.same(readdirSync(folder), [session.id]);
  session.end();
  t.equal(isAlive(folder, session.id), false);
  t.equal(isAlive(folder, 'never-there'), false);
  t.same(readdirSync(folder), []);
});
