import t from 'tap';
import { runModule, source } from '../supervisor/support.ts';

/** Leaves the signals to the supervisor, in a process of its own, and says which of the app's listeners were called. */
function heard(before: string, app: string): string {
  return `
    const calls = [];
    const call = (name) => calls.push(name);
    ${before}
    const { leaveSignalsToSupervisor } = await import(${source('worker/guard.ts')});
    leaveSignalsToSupervisor();
    ${app}
    const last = Promise.withResolvers();
    process.on('SIGWINCH', last.resolve);
    for (const signal of ['INT', 'TERM', 'HUP', 'QUIT', 'TTIN', 'TTOU', 'USR1', 'USR2', 'WINCH'])
      process.kill(process.pid, 'SIG' + signal);
    // What a process sends to itself arrives in that order: this one is the last.
    const alive = setInterval(() => {}, 1000);
    await last.promise;
    clearInterval(alive);
    console.log(JSON.stringify(calls));`;
}

const ALL = "['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGTTIN', 'SIGTTOU']";

for (const how of ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener']) {
  t.test(`what an app adds by ${how}() for a signal of the supervisor is not called`, async (t) => {
    const app = `for (const signal of ${ALL}) process.${how}(signal, call);`;
    t.equal(await runModule(t, heard('', app)), '[]\n');
  });
}

t.test('so it is where the app makes of stacks what it likes', async (t) => {
  for (const made of ['frames', 'undefined']) {
    const app = `Error.prepareStackTrace = (error, frames) => ${made}; process.on('SIGTERM', call);`;
    t.equal(await runModule(t, heard('', app)), '[]\n', made);
  }
});

t.test('what a module that was loaded before has added is not called, either', async (t) => {
  t.equal(await runModule(t, heard("process.on('SIGTERM', call); process.once('SIGINT', call);", '')), '[]\n');
});

t.test('an app that removes all listeners does not have the process ended by a signal', async (t) => {
  const app = `for (const signal of ${ALL}) process.removeAllListeners(signal);`;
  t.equal(await runModule(t, heard('', app)), '[]\n');
  const restored = `for (const signal of ${ALL}) {
    const before = process.listeners(signal);
    process.removeAllListeners(signal);
    for (const listener of before) process.on(signal, listener);
  }`;
  t.equal(await runModule(t, heard('', restored)), '[]\n', 'nor one that puts back what was there');
});

t.test('other signals and other events are the app’s', async (t) => {
  const app = `
    for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGWINCH']) process.on(signal, call);
    process.once('mine', () => call('mine')).emit('mine');`;
  t.equal(await runModule(t, heard('', app)), '["mine","SIGUSR1","SIGUSR2","SIGWINCH"]\n');
});

/** Which of these event loops say that the app listens in vain. */
function telling(evented: boolean, before: string, app: string): string {
  const identities = ['http', 'evented', 'cron'].flatMap((role) =>
    [1, 2].flatMap((worker) => [undefined, 1, 2].map((thread) => ({ role, worker, thread }))),
  );
  return `
    ${before}
    const { leaveSignalsToSupervisor, tellOfUnheard } = await import(${source('worker/guard.ts')});
    leaveSignalsToSupervisor();
    for (const identity of ${JSON.stringify(identities)}) {
      const name = [identity.role, identity.worker, identity.thread].join(' ').trim();
      const warn = (_fields, message) => console.log(name + ': ' + message.split(';')[0]);
      tellOfUnheard({ identity, log: { warn } }, { evented: ${evented} });
    }
    ${app}`;
}

t.test('one event loop says it, and once: worker 1, in threaded mode its thread 1', async (t) => {
  const listening = `
    const listen = () => { process.on('SIGHUP', () => {}).once('SIGTERM', () => {}); };
    listen();
    setImmediate(listen);`;
  const said = 'The app listens for SIGHUP itself';
  t.equal(await runModule(t, telling(false, '', listening)), `http 1: ${said}\nhttp 1 1: ${said}\n`);
  // Beside another mode, an evented worker on a port of its own runs the same app.
  t.equal(await runModule(t, telling(true, '', listening)), `evented 1: ${said}\nevented 1 1: ${said}\n`);
  const before = "process.on('SIGHUP', () => {});";
  const other = 'A module of --import or --require listens for SIGHUP itself';
  t.equal(await runModule(t, telling(false, before, '')), `http 1: ${other}\nhttp 1 1: ${other}\n`);
  t.equal(await runModule(t, telling(false, '', "process.on('SIGWINCH', () => {}); process.exit();")), '');
});
