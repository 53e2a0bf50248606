/**
 * Entry of a thread of a threaded worker: one event loop that serves the app. Messages to it are orders, and the
 * connections that the main thread accepted; what they mean in each state is as in http-worker.ts.
 */
import { Socket, type Server } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { toWireError, TricornError } from '../errors.ts';
import { hideHeapFlags } from '../heap-flags.ts';
import { openLog } from '../log/open-log.ts';
import { startBeating } from '../watchdog/beat.ts';
import { type AcceptFrom, type FromThread, type ToThread, wrap } from '../protocol.ts';
import { accept, finishAccepting } from './acceptor.ts';
import { refresh } from './arrived-socket.ts';
import { contextOf } from './context-of.ts';
import { openLedger } from './flight-recorder.ts';
import { leave, leaveSignalsToSupervisor, onUncaught, reportExit, tellOfUnheard, UncaughtLog } from './guard.ts';
import { loadLoop, type Loop } from './loop.ts';
import type { ThreadBoot } from './pool-thread.ts';
import { Terms } from './terms.ts';

hideHeapFlags();
leaveSignalsToSupervisor();
// An app has called cluster.fork() in a thread: mountApp() says so.
if (!parentPort) process.exit(1);
const port = parentPort;
const { boot, ledger: buffer } = workerData as ThreadBoot;
const { role, worker, thread, generation, config } = boot;
const log = openLog(config, { role, worker, thread, generation });
tellOfUnheard(log, config);
const ledger = openLedger(boot.recorder, buffer);
const uncaught = new UncaughtLog(log, () => ledger.entries());
// By process.exit() of the app, too: that it has ended is known outside only when all of it is torn down.
process.on('exit', (code) => {
  ledger.leave();
  tell({ type: 'leaves', code });
});
const terms = new Terms(config);
startBeating(ledger, terms, role);
terms.follow(({ log_level }) => (log.log.level = log_level));

const told = Promise.withResolvers<void>();
let loaded: Loop | undefined;
let serving: Loop | undefined;
/** Of unix sockets, whose connections cannot be handed over. */
const acceptors: Server[] = [];
/** When its generation began to serve. */
let { since } = boot;
let drainIsDue = false;
let draining = false;

// Its name is known to stacks.ts: a thread that is paused in it is idle.
port.on('message', function takeOrder(message: ToThread | Socket) {
  if (message instanceof Socket) serving?.accept(refresh(message));
  else if (message.type === 'usage') void tellUsage();
  else if (message.type === 'drain') onDrain(message.final);
  else if (message.type === 'measure') measure(message.on);
  else if (message.type === 'publish') void publish((since = message.since));
  else if (message.type === 'poison') loaded?.refuseRoute(message);
  else if (message.type === 'live') terms.change(message.settings);
  else if (message.type === 'go') told.resolve();
  else if (message.type === 'listen') void listen(message.on);
});

reportExit(log, () => ledger.entries());
onUncaught((error) => {
  if (!serving) return failBoot(new TricornError('TRC_APP_BOOT', { app: config.app }, { cause: error }));
  // The order to drain comes back after all connections that are on their way.
  if (!uncaught.any) tell({ type: 'broken' });
  uncaught.add(error);
  serving.abandon(error);
});

try {
  if (boot.warmFor !== undefined) {
    await (await import('../dev/warm-up.ts')).warmUp(contextOf(boot, log), boot.warmFor);
    await told.promise;
  }
  const loop = await loadLoop({
    boot,
    terms,
    log,
    ledger,
    onWorn: (reason) => tell({ type: 'worn', reason }),
    onHealth: (healthy) => tell({ type: 'health', healthy }),
  });
  loaded = loop;
  await loop.start();
  serving = loop;
  tell({ type: 'ready', form: loop.form, jobs: loop.jobs });
  if (since !== undefined) void publish(since);
  // It has no connection yet that could be told why.
  if (drainIsDue) await drain(loop, false);
} catch (error) {
  failBoot(error);
}

function onDrain(final: boolean): void {
  if (serving) void drain(serving, final);
  else drainIsDue = true;
}

async function listen(on: readonly AcceptFrom[]): Promise<void> {
  for (const from of on) {
    const acceptor = await accept(from, config.backlog, takeOver, false);
    if (draining) acceptor.close();
    else acceptors.push(acceptor);
  }
}

function takeOver(socket: Socket): void {
  ledger.connectionBegins();
  serving?.accept(socket);
}

async function drain(loop: Loop, final: boolean): Promise<void> {
  draining = true;
  try {
    await finishAccepting(acceptors, config.backlog);
    await loop.drain(final);
  } catch (error) {
    log.log.error({ err: error }, 'The drain met an error');
  }
  leave(log, uncaught.any ? 1 : 0);
}

/** One that still boots does so when it is ready. */
async function publish(from: number): Promise<void> {
  if (!serving) return;
  await serving.publish(from);
  tell({ type: 'published' });
}

async function tellUsage(): Promise<void> {
  if (serving) tell({ type: 'usage', usage: await serving.usage() });
}

function measure(on: boolean): void {
  const figures = serving?.measure(on);
  if (figures && !on) tell({ type: 'measured', figures });
}

function failBoot(error: unknown): void {
  const wire = toWireError(error);
  tell({ type: 'fatal', error: wire });
  leave(log, wire.exitCode);
}

function tell(message: FromThread): void {
  port.postMessage(wrap(message));
}
