/** Upgrades of a server that a test has started, and the end of the process that is left. */
import { gone, type Tricorn } from './tricorn.ts';

export const TAKEN: RegExp = /^Upgrade: process \d+ is the service now/;
export const FAILED: RegExp = /^Upgrade failed, generation 1 serves on: /;

/** Has `pid` replaced; resolves with the pid of the process that serves, when the old one has ended. */
export async function upgrade(server: Tricorn, pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR2');
  const { successor } = await server.line((line) => line.pid === pid && TAKEN.test(line.msg));
  await server.line((line) => line.pid === successor && line.msg.startsWith('Ready'));
  await server.line((line) => line.pid === pid && /^Stopped, .*exit code 0$/.test(line.msg));
  await gone(pid);
  return Number(successor);
}

/** Ends the process that serves, and with it the last that has the server's output. */
export async function endLast(server: Tricorn, pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  await server.ended;
}
