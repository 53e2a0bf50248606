import { EventEmitter, once } from 'node:events';
import t, { type Test } from 'tap';
import { renderSignals, signalHelp, SignalQueue, type ReceivedSignal } from '../../../src/supervisor/signals.ts';
import { runModule, source } from './support.ts';

/** The meanings are Odoo's and gunicorn's: who changes one breaks somebody's scripts. */
const MEANINGS = {
  SIGINT: 'stop',
  SIGTERM: 'stop',
  SIGHUP: 'reload',
  SIGUSR2: 'upgrade',
  SIGTTIN: 'scale-up',
  SIGTTOU: 'scale-down',
  SIGQUIT: 'dump-stacks',
  SIGUSR1: 'log-statistics',
};
const signals = Object.keys(MEANINGS) as (keyof typeof MEANINGS)[];

interface Installed {
  readonly queue: SignalQueue;
  /** Resolves when the queue has waked its owner `count` times in all. */
  waked(count: number): Promise<void>;
}

function install(t: Test): Installed {
  const wakes = new EventEmitter();
  let seen = 0;
  const queue = new SignalQueue(() => {
    seen += 1;
    wakes.emit(`wake ${seen}`);
  });
  queue.install();
  // A signal that is waited for keeps no process alive.
  const alive = setInterval(() => {}, 60_000);
  t.teardown(() => {
    clearInterval(alive);
    queue.uninstall();
  });
  const waked = async (count: number): Promise<void> => {
    if (seen < count) await once(wakes, `wake ${count}`);
  };
  return { queue, waked };
}

function send(signal: NodeJS.Signals): void {
  process.kill(process.pid, signal);
}

function actions(received: readonly ReceivedSignal[]): string[] {
  return received.map(({ signal, action }) => `${signal} ${action}`);
}

t.test('every signal of the table is queued with its action, and wakes', async (t) => {
  const { queue, waked } = install(t);
  for (const [index, signal] of signals.entries()) {
    send(signal);
    await waked(index + 1);
    t.same(queue.take(), [{ signal, action: MEANINGS[signal] }]);
  }
});

t.test('they are taken once, in the order of arrival', async (t) => {
  const { queue, waked } = install(t);
  send('SIGTTIN');
  await waked(1);
  send('SIGUSR1');
  await waked(2);
  send('SIGTTIN');
  await waked(3);
  t.same(actions(queue.take()), ['SIGTTIN scale-up', 'SIGUSR1 log-statistics', 'SIGTTIN scale-up']);
  t.same(queue.take(), []);
});

t.test('uninstalled, it leaves the process as it was', async (t) => {
  const listeners = (): unknown[] => signals.map((signal) => process.listeners(signal));
  const before = listeners();
  const { queue } = install(t);
  t.strictNotSame(listeners(), before);
  queue.uninstall();
  t.strictSame(listeners(), before);
  queue.uninstall();
  t.strictSame(listeners(), before);
});

t.test('what was queued before is still there after uninstall', async (t) => {
  const { queue, waked } = install(t);
  send('SIGTTOU');
  await waked(1);
  queue.uninstall();
  t.same(actions(queue.take()), ['SIGTTOU scale-down']);
});

t.test('help and README name each without SIG, with one line', async (t) => {
  const help = signalHelp();
  t.same(
    help.map(({ name }) => `SIG${name}`),
    signals,
  );
  const [, , ...rows] = renderSignals().split('\n');
  for (const [index, { name, summary }] of help.entries()) {
    t.match(summary, /^\S[^\n|]+$/);
    t.equal(rows[index], `| ${name} | ${summary} |`);
  }
});

t.test('a process that is the supervisor’s alone calls nobody else, whenever and however he listens', async (t) => {
  const seen = await runModule(
    t,
    `const calls = [];
    const call = () => calls.push('foreign');
    process.on('SIGTERM', call);
    const { listenAlone, SignalQueue } = await import(${source('supervisor/signals.ts')});
    listenAlone();
    const queue = new SignalQueue(() => {});
    queue.install();
    for (const how of ['on', 'once', 'prependListener', 'prependOnceListener']) process[how]('SIGTERM', call);
    process.removeAllListeners('SIGHUP');
    const last = Promise.withResolvers();
    process.on('SIGWINCH', last.resolve);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGWINCH']) process.kill(process.pid, signal);
    const alive = setInterval(() => {}, 1000);
    await last.promise;
    clearInterval(alive);
    queue.uninstall();
    console.log(JSON.stringify([calls, queue.take().map(({ action }) => action), process.listenerCount('SIGTERM')]));`,
  );
  t.equal(seen, '[[],["stop","reload"],0]\n');
});
