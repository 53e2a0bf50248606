/**
 * Entry of a thread of a threaded worker: one event loop that serves the app. Messages to it are orders, and the
 * connections that the main thread accepted; what they mean in each state is as in http-worker.ts.
 */
import { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { toWireError, TricornError } from '../errors.ts';
import { openLog } from '../log/open-log.ts';
import { startBeating } from '../watchdog/beat.ts';
import { watchLimits } from '../watchdog/limits.ts';
import type { FromThread, ToThread } from '../protocol.ts';
import { AppLoop } from './app-loop.ts';
import { Ledger } from './ledger.ts';
import { endOnUncaught, logAndExit } from './guard.ts';
import type { ThreadBoot } from './pool-thread.ts';

if (!parentPort) throw new Error('thread.ts is started by a threaded worker');
const port = parentPort;
const { boot, ledger: buffer } = workerData as ThreadBoot;
const { role, worker, thread, generation, config } = boot;
const log = openLog(config, { role, worker, thread, generation });
const ledger = new Ledger(buffer);
startBeating(ledger, watchLimits(config, role));

let loaded: AppLoop | undefined;
let serving: AppLoop | undefined;
let drainIsDue = false;

port.on('message', (message: ToThread | Socket) => {
  if (message instanceof Socket) serving?.accept(message);
  else if (message.type === 'usage') void tellUsage();
  else if (message.type === 'drain') onDrain();
  else if (message.type === 'poison') loaded?.refuseRoute(message);
});

endOnUncaught((error) => {
  if (serving) logAndExit(log, error);
  failBoot(new TricornError('TRC_APP_BOOT', { app: config.app }, { cause: error }));
});

try {
  const loop = await AppLoop.load({
    boot,
    log,
    ledger,
    loops: config.threads,
    onWorn: (reason) => tell({ type: 'worn', reason }),
  });
  loaded = loop;
  await loop.start();
  serving = loop;
  tell({ type: 'ready', form: loop.form });
  if (drainIsDue) await drain(loop);
} catch (error) {
  failBoot(error);
}

function onDrain(): void {
  if (serving) void drain(serving);
  else drainIsDue = true;
}

async function drain(loop: AppLoop): Promise<void> {
  try {
    await loop.drain();
  } catch (error) {
    log.log.error({ err: error }, 'The drain met an error');
  }
  log.close();
  process.exit(0);
}

async function tellUsage(): Promise<void> {
  if (serving) tell({ type: 'usage', usage: await serving.usage() });
}

function failBoot(error: unknown): void {
  const wire = toWireError(error);
  tell({ type: 'fatal', error: wire });
  log.close();
  process.exit(wire.exitCode);
}

function tell(message: FromThread): void {
  port.postMessage(message);
}
