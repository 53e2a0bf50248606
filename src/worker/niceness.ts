import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

const NICE = 10;

/** The whole process goes after those that serve, wherever there is not processor time enough for all. */
export function giveWay(): void {
  for (const id of threadIds()) {
    try {
      setPriority(id, NICE);
    } catch {
      // It has ended meanwhile, or somebody has been even kinder and may not take that back.
    }
  }
}

/** Linux has a niceness for each thread. Those that start later have it from the thread that starts them. */
function threadIds(): number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [process.pid];
  }
}
