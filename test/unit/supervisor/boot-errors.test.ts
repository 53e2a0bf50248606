import t, { type Test } from 'tap';
import { bootTimeout, earlyEnd } from '../../../src/supervisor/boot-errors.ts';
import { WorkerHandle } from '../../../src/supervisor/worker-handle.ts';
import { stop } from '../../support/idle.ts';
import { bootOf, configOf, forkObedient } from './support.ts';

function start(t: Test, execArgv: readonly string[] = []) {
  const config = configOf(t, '--boot-timeout=7');
  const worker = forkObedient(t, { execArgv: [...process.execArgv, ...execArgv] });
  return { config, handle: new WorkerHandle(worker, bootOf(config), () => 0) };
}

t.test('a boot that is late is told with where it stands', async (t) => {
  const { config, handle } = start(t);
  // Node's own start may take longer than a worker is waited for.
  await handle.askUsage();
  t.match(await bootTimeout(config, handle), {
    code: 'TRC_BOOT_TIMEOUT',
    exitCode: 3,
    message: /app\.ts was not ready within boot_timeout = 7 s$/,
    stack: `worker 1 (pid ${handle.pid}):\n    at obedience`,
  });
});

t.test('of one whose entry does not run the app is not to blame', async (t) => {
  const { config, handle } = start(t, [
    '--import=data:text/javascript,setInterval(() => {}, 1000); await new Promise(() => {});',
  ]);
  t.match(await bootTimeout(config, handle), { code: 'TRC_BOOT_TIMEOUT', hint: /^A module of --import/, stack: '' });
});

t.test('one that does not answer is not waited for', async (t) => {
  const { config, handle } = start(t);
  await handle.askUsage();
  await stop(handle.pid);
  const { stack } = await bootTimeout(config, handle);
  t.equal(stack, `worker 1 (pid ${handle.pid}) did not tell within 1000 ms where it stands`);
});

t.test('a worker that ended before it said anything', async (t) => {
  const exit = { code: 7, signal: null, expected: false };
  t.match(earlyEnd({ app: 'app.ts', name: 'worker 1', exit }), {
    code: 'TRC_APP_BOOT',
    message: /app\.ts failed to boot: worker 1 ended by exit code 7$/,
  });
});
