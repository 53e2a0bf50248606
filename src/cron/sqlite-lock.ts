/** A file as a lock: SQLite locks it for one at a time, and the kernel lets go of it with whoever has it. */
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/** Undefined where somebody else has it. */
export function lock(file: string): DatabaseSync | undefined {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    // Or there would be a second file beside it.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/** Waits until the lock is to be had, blocking, and no longer than that. */
export function alone<T>(file: string, waitMs: number, body: () => T): T {
  const last = performance.now() + waitMs;
  for (;;) {
    const held = lock(file);
    if (held) {
      try {
        return body();
      } finally {
        held.close();
      }
    }
    if (performance.now() > last) throw new Error('somebody else is making it, and does not come to an end');
    sleep();
  }
}

export function isBusy(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === SQLITE_BUSY;
}

/** A moment. */
export function sleep(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
}
