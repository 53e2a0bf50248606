/**
 * The thread of a SqliteStore: it makes the synchronous calls, so that no event loop waits for a disk, and goes on finding dead
 * holders while a job blocks its own loop.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Moved, SqliteEngine, UnknownJob } from './sqlite-engine.ts';
import { WAKE, type Answer, type Call, type Failure, type StoreThreadBoot } from './sqlite-messages.ts';
import { reasonOf } from './sqlite-reasons.ts';
import { WakeFile } from './wake-file.ts';

/** How often the holders of others' runs are looked at, milliseconds, while there are any: a dead one is found in as much. */
const REAP_MS = 500;

const boot = workerData as StoreThreadBoot;
const port = parentPort!;
const say = (answer: Answer): void => port.postMessage(answer);

let wakeFile: WakeFile | undefined;
let reaper: NodeJS.Timeout | undefined;
let isListening = false;
/** When the listener knows that a job is due next. */
let told: number | undefined;

let engine: SqliteEngine | undefined;

/** Opened by the first call: so that what goes wrong is an answer to somebody. */
function open(): SqliteEngine {
  engine ??= new SqliteEngine(boot, () => wakeFile?.touch());
  wakeFile ??= new WakeFile(join(boot.folder, WAKE));
  return engine;
}

/** Tells the listener what is due, and watches over others' runs as long as there are any. */
function look(): void {
  if (!isListening || !engine) return;
  // What is asked for next is answered by that.
  if (engine.isMoved) return say({ wake: true });
  const { due, others } = engine.look();
  const now = Date.now() + boot.clockOffset;
  // What is due already may have been left by somebody who was faster: it is told again.
  if (due !== undefined && (due !== told || due <= now)) say({ wake: true });
  told = due;
  if (!others) {
    clearInterval(reaper);
    reaper = undefined;
  } else reaper ??= setInterval(quietly(reap), REAP_MS);
}

function reap(): void {
  const found = engine?.reap(Date.now() + boot.clockOffset) ?? [];
  if (found.length > 0) say({ found });
  look();
}

/** The store is away: whoever asks for something next is told why. */
function quietly(body: () => void): () => void {
  return () => {
    try {
      body();
    } catch {}
  };
}

function listen(): void {
  isListening = true;
  wakeFile?.watch(quietly(look));
  reap();
}

function carryOut({ method, now, args }: Call): unknown {
  if (method === 'close') return close();
  const opened = open();
  // One that begins anew has nothing to lose.
  if (method !== 'reopen' && opened.isMoved) throw new Moved();
  if (method === 'listen') return listen();
  return (opened[method] as (now: number, ...rest: readonly unknown[]) => unknown).call(opened, now, ...args);
}

function close(): void {
  clearInterval(reaper);
  isListening = false;
  wakeFile?.close();
  engine?.close();
  // After the answer: without a port, the thread ends by itself.
  setImmediate(() => port.close());
}

/**
 * This thread ends, and the handle makes another one, which opens all that is there now and tells of the runs that it held. The
 * other handles notice by the wake-up.
 */
function beginAnew(moved: Moved): never {
  wakeFile?.touch();
  quietly(close)();
  throw moved;
}

function failureOf(error: unknown): Failure {
  const message = reasonOf(error, boot.folder);
  return error instanceof UnknownJob ? { message, known: error.known } : { message };
}

port.on('message', (call: Call) => {
  try {
    say({ id: call.id, result: carryOut(call) });
  } catch (error) {
    if (error instanceof Moved) beginAnew(error);
    say({ id: call.id, failure: failureOf(error) });
  }
});
