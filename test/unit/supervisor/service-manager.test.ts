import t, { type Test } from 'tap';
import type { WorkerUsage } from '../../../src/protocol.ts';
import { ServiceManager, type Staff } from '../../../src/supervisor/service-manager.ts';
import { canNotify, NotifySocket } from '../../support/notify-socket.ts';
import { recordLog } from './support.ts';

const PID = 4711;

function usage(requests: number): WorkerUsage {
  const loop = { thread: 0, inflight: 0, connections: 0, waiting: 0, refused: 0, utilisation: 0, delayP50: 0 };
  return { type: 'usage', rss: 1, loops: [{ ...loop, requests, delayP99: 0, heap: 0, app: null, unhealthy: null }] };
}

class Reporter {
  requests = 0;
  async askUsage(): Promise<WorkerUsage> {
    return usage(this.requests);
  }
}

function staffOf(serving: number, workers: readonly Reporter[] = []): Staff {
  return { wanted: 2, serving, workers };
}

async function start(t: Test, variables: Record<string, string> = {}) {
  const socket = await NotifySocket.open(t);
  const { log, lines } = recordLog();
  const clock = { now: 0 };
  const env: Record<string, string | undefined> = { PATH: '/bin', NOTIFY_SOCKET: socket.path, ...variables };
  const manager = new ServiceManager({ env, pid: PID, log, clock: () => clock.now });
  return { socket, lines, clock, env, manager };
}

t.test('nobody asks: nothing is done', async (t) => {
  const { log, lines } = recordLog();
  const manager = new ServiceManager({ env: {}, pid: PID, log, clock: () => 0 });
  const worker = new Reporter();
  worker.askUsage = async () => t.fail('asked') as never;
  manager.ready(staffOf(2, [worker]));
  manager.tend(staffOf(2, [worker]));
  manager.stopping();
  t.same(lines, []);
});

t.test('the variables are taken out of the environment', async (t) => {
  const { env } = await start(t, { WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(PID) });
  t.same(env, { PATH: '/bin' });
});

t.test('the next process of the service gets them again, meant for whoever it is', async (t) => {
  const variables = { WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(PID) };
  const { socket, manager } = await start(t, variables);
  t.same(manager.environment, { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '10000000' });
  const other = await start(t, { ...variables, WATCHDOG_PID: '1' });
  t.same(other.manager.environment, { NOTIFY_SOCKET: other.socket.path }, 'but not what was never meant for it');
});

t.test('a watchdog that is too quick for the tick is warned of', async (t) => {
  const { lines } = await start(t, { WATCHDOG_USEC: '1000000' });
  t.match(lines, [{ level: 'warn', message: /^WATCHDOG_USEC = 1000000 is short: set WatchdogSec to 4 s or more$/ }]);
});

if (canNotify) {
  t.test('ready, then stopping, in this order', async (t) => {
    const { socket, manager } = await start(t);
    manager.ready(staffOf(2));
    manager.stopping();
    await socket.message(/STOPPING=1/);
    t.same(socket.messages, ['READY=1|STATUS=2 of 2 workers ready, 0 requests/s', 'STOPPING=1|STATUS=stopping']);
  });

  t.test('what is said while a message is on its way is said in one, and the last word counts', async (t) => {
    const { socket, clock, manager } = await start(t);
    manager.ready(staffOf(2));
    manager.tend(staffOf(1));
    clock.now = 20_000;
    manager.tend(staffOf(0));
    t.equal(await socket.message(/^STATUS/), 'STATUS=0 of 2 workers ready, 0 requests/s');
  });

  t.test('beats come at half the time, and only while a worker serves', async (t) => {
    const { socket, clock, manager } = await start(t, { WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(PID) });
    manager.tend(staffOf(0));
    await socket.message(/^STATUS/);
    manager.tend(staffOf(2));
    t.equal(await socket.message(/WATCHDOG/), 'WATCHDOG=1');
    clock.now = 4999;
    manager.tend(staffOf(2));
    clock.now = 5000;
    manager.tend(staffOf(0));
    manager.stopping();
    await socket.message(/STOPPING/);
    t.same(
      socket.messages.map((message) => /^\w+/.exec(message)?.[0]),
      ['STATUS', 'WATCHDOG', 'STOPPING'],
    );
  });

  t.test('beats meant for another process are not ours', async (t) => {
    const { socket, manager } = await start(t, { WATCHDOG_USEC: '10000000', WATCHDOG_PID: '1' });
    manager.tend(staffOf(2));
    t.equal(await socket.message(/./), 'STATUS=2 of 2 workers ready, 0 requests/s');
  });

  t.test('another process is the service: that is the last word of this one', async (t) => {
    const { socket, manager } = await start(t);
    await manager.tellMainPid(PID);
    manager.reloading();
    await manager.tellMainPid(4712);
    t.equal(
      socket.messages.at(-1),
      'MAINPID=4712',
      'it was read by then, and that it is the service already, not said',
    );
    manager.mute();
    manager.stopping();
    await manager.tellMainPid(PID);
    t.equal(socket.messages.length, 2);
  });

  t.test('requests per second, over workers that come and go', async (t) => {
    const { socket, clock, manager } = await start(t);
    const [one, other] = [new Reporter(), new Reporter()];
    one.requests = 100;
    manager.tend(staffOf(1, [one]));
    await socket.message(/ready, 0 requests/);
    clock.now = 10_000;
    one.requests = 300;
    other.requests = 50;
    manager.tend(staffOf(2, [one, other]));
    await socket.message(/2 of 2 workers ready, 10 requests\/s/);
    clock.now = 20_000;
    one.requests = 0;
    manager.tend(staffOf(2, [one, other]));
    t.ok(await socket.message(/ready, 25 requests\/s/));
    clock.now = 30_000;
    manager.tend(staffOf(2, [one]));
    t.ok(await socket.message(/ready, 0 requests\/s/), 'one that begins again at 0 takes nothing away');
  });

  t.test('a message that cannot be delivered is said, and the next is tried', async (t) => {
    const { socket, lines, manager } = await start(t, { NOTIFY_SOCKET: '/nowhere/notify' });
    manager.ready(staffOf(2));
    while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
    t.match(lines, [{ level: 'error', message: /^The service manager could not be told by systemd-notify: / }]);
    manager.stopping();
    while (lines.length === 1) await new Promise((resolve) => setImmediate(resolve));
    t.same(socket.messages, []);
  });
}

t.test('without the command it is said once, with what to do', async (t) => {
  const { lines, manager } = await start(t);
  const path = process.env['PATH'];
  process.env['PATH'] = t.testdir();
  t.teardown(() => (process.env['PATH'] = path));
  manager.ready(staffOf(2));
  while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
  manager.stopping();
  t.match(lines, [{ level: 'error', message: /install systemd-notify, or use Type=exec$/ }]);
  t.equal(lines.length, 1);
});
