/** Whether somebody is there: a process, by its pid, or who serves a unix socket. */
import { connect } from 'node:net';
import { fs } from '../builtins.ts';

/** Whether there is a process of that pid, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether it has yet to end. One that is dead, and whose parent has not asked how it ended (a zombie), has. */
export function isRunning(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    // Not Linux, or gone just now.
    return isAlive(pid);
  }
}

/** Why no connection can be made, as a code of the system; undefined where it can. */
export function connectError(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect(path);
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  socket.on('connect', () => {
    socket.destroy();
    resolve(undefined);
  });
  return promise;
}
