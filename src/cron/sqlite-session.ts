/**
 * Whether whoever holds a run still lives, told by the kernel: every handle has a file of its own, on which SQLite holds an
 * exclusive lock. The lock ends with its process or thread, however that ends, and not before: also a process that is stopped
 * (SIGSTOP) or starved keeps it, which no lease could tell from a dead one. Process ids would do for neither threads nor
 * containers that share a folder.
 *
 * The files must be opened by nothing but SQLite: a process loses its lock on a file when any descriptor of it is closed.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lock } from './sqlite-lock.ts';

export interface Session {
  readonly id: string;
  end(): void;
}

export function beginSession(folder: string): Session {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const id = randomUUID();
  const file = join(folder, id);
  for (;;) {
    const db = lock(file);
    // Somebody who looks for the dead may have found the file in the moment before it was locked, and removed it.
    if (db && existsSync(file)) {
      return {
        id,
        end: () => {
          rmSync(file, { force: true });
          db.close();
        },
      };
    }
    db?.close();
  }
}

/** Removes what a dead session has left. */
export function isAlive(folder: string, id: string): boolean {
  const file = join(folder, id);
  if (!existsSync(file)) return false;
  const db = lock(file);
  if (!db) return true;
  rmSync(file, { force: true });
  db.close();
  return false;
}

/** Removes the files of those that died without a run, so that they do not pile up. */
export function sweepSessions(folder: string): void {
  for (const id of readdirSync(folder)) isAlive(folder, id);
}
