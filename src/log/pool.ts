import { fs, monotonicMs } from '../builtins.ts';

const STEP_MS = 1;
const UNSEEN_MS = 10;

/**
 * Waits, with the loop stopped, until libuv's pool has begun what this thread has asked it for. False where that is not seen
 * before `deadline` (of `monotonicMs()`): all of the pool is taken.
 *
 * A process that ends leaves its pool the time to finish; a thread that ends takes back what the pool has not begun yet (Node calls
 * uv_cancel() for it), and waits for what it has. The pool begins its work in the order in which it was asked for: once it
 * has done a read that is asked for here, it has begun all that came before.
 */
export function poolHasBegun(deadline: number): boolean {
  const mark = new Uint8Array(new SharedArrayBuffer(1));
  let fd: number;
  try {
    // A program's file never begins with a zero.
    fd = fs.openSync(process.execPath, 'r');
  } catch {
    // No descriptor is left, or Node was removed. A pool that has nothing else to do has begun by then.
    sleep(UNSEEN_MS);
    return true;
  }
  fs.read(fd, mark, 0, 1, 0, () => undefined);
  while (Atomics.load(mark, 0) === 0 && monotonicMs() < deadline) sleep(STEP_MS);
  fs.closeSync(fd);
  return Atomics.load(mark, 0) !== 0;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** With the loop stopped. */
export function sleep(ms: number): void {
  Atomics.wait(sleeper, 0, 0, ms);
}
