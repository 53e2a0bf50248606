/** Whether a process serves anybody at this moment. Linux only: it reads /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';

const LISTENS = '0A';

/**
 * Stops the process (SIGSTOP), so that it can accept nothing more, and looks whether it holds a connection of the port.
 * Where it does, it goes on at once.
 *
 * @returns whether it is idle, and stopped
 */
export async function stopIfIdle(pid: number, port: number): Promise<boolean> {
  await stop(pid);
  if (!holdsConnection(pid, port)) return true;
  process.kill(pid, 'SIGCONT');
  return false;
}

/** Sends SIGSTOP and waits for it: what runs goes on for a moment, and the kernel tells nobody but its parent. */
export async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  while (!isStopped(pid)) await turn();
}

function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = textOf(`/proc/${pid}/task/${thread}/stat`);
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
}

/** '' of a thread that has just ended. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Accepted, and not closed by the process. What waits in the accept queue belongs to nobody yet. */
function holdsConnection(pid: number, port: number): boolean {
  const held = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`)));
  return readFileSync('/proc/net/tcp', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .some(([, local = '', , state, , , , , , inode]) => {
      const isOurs = Number.parseInt(local.split(':')[1] ?? '', 16) === port && state !== LISTENS;
      return isOurs && held.has(`socket:[${inode}]`);
    });
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
