import t, { type Test } from 'tap';
import { Successor } from '../../../src/supervisor/successor.ts';
import { gone } from '../../support/tricorn.ts';

/** A shell in the place of the new supervisor; its channel is descriptor 3. */
function start(t: Test, script: string, options: { file?: string; seconds?: number } = {}): Successor {
  const { file = '/bin/sh', seconds = 60 } = options;
  const env = { PATH: process.env['PATH'] };
  const successor = new Successor({ file, args: ['-c', script], folder: '/', env, sockets: [], seconds });
  t.teardown(() => {
    successor.kill();
    successor.letGo();
  });
  return successor;
}

const say = (message: object): string => `echo '${JSON.stringify(message)}' >&3`;
const FOREVER = 'while :; do read line <&3; done';

t.test('it says that it is ready', async (t) => {
  const successor = start(t, `${say({ type: 'ready', taken: ['unix /s'] })}; ${FOREVER}`);
  t.same(await successor.news, { taken: ['unix /s'] });
  t.notOk(successor.hasEnded);
});

t.test('it ends before', async (t) => {
  t.same(await start(t, 'exit 3').news, { reason: 'ended by itself with exit code 3' });
  t.same(await start(t, 'kill -9 $$').news, { reason: 'ended by itself with SIGKILL' });
});

t.test('it cannot even be started', async (t) => {
  const successor = start(t, '', { file: '/nowhere/node' });
  t.match(await successor.news, { reason: /^could not be started: spawn \/nowhere\/node ENOENT$/ });
  t.ok(successor.hasEnded);
  t.equal(successor.pid, 0);
  await successor.end(0);
});

t.test('it takes too long, by the limit of before or by its own', async (t) => {
  t.same(await start(t, FOREVER, { seconds: -9.99 }).news, { reason: 'was not ready within 0.01 s' });
  const own = start(t, `${say({ type: 'boots', seconds: -9.98 })}; ${FOREVER}`);
  t.same(await own.news, { reason: 'was not ready within 0.02 s' });
});

t.test('it is asked to end, and killed where it does not', async (t) => {
  const willing = start(t, `${say({ type: 'ready', taken: [] })}; exec cat <&3`);
  await willing.news;
  await willing.end(3_600_000);
  t.ok(willing.hasEnded);
  const deaf = start(t, `trap '' TERM; ${say({ type: 'ready', taken: [] })}; ${FOREVER}`);
  await deaf.news;
  await deaf.end(10);
  t.ok(deaf.hasEnded);
  await gone(deaf.pid);
});

t.test('the channel ends when it is let go', async (t) => {
  const successor = start(t, `${say({ type: 'ready', taken: [] })}; exec cat <&3`);
  await successor.news;
  t.notOk(successor.hasEnded);
  successor.letGo();
  await gone(successor.pid);
});

t.test('it is not wanted any more', async (t) => {
  const successor = start(t, FOREVER);
  successor.giveUp('is not needed');
  t.same(await successor.news, { reason: 'is not needed' });
  await successor.end(0);
  t.ok(successor.hasEnded);
});
