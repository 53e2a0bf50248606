import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { isAlive, isRunning } from '../../../src/supervisor/probe.ts';

t.test('a process that runs, and one that is gone', async (t) => {
  const child = spawn('sleep', ['600']);
  t.ok(isRunning(child.pid ?? 0));
  child.kill();
  await once(child, 'exit');
  t.notOk(isRunning(child.pid ?? 0));
});

t.test('a zombie is there, but has ended', async (t) => {
  // Whoever it becomes does not ask how its child ended.
  const parent = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 2, 'pipe'] });
  t.teardown(() => parent.kill());
  const [text] = (await once(parent.stdout as Readable, 'data')) as [Buffer];
  const pid = Number(text.toString());
  while (readFileSync(`/proc/${parent.pid}/comm`, 'utf8') !== 'sleep\n') await turn();
  (parent.stdio[3] as Writable).end();
  while (!readFileSync(`/proc/${pid}/status`, 'latin1').includes('State:\tZ')) await turn();
  t.ok(isAlive(pid));
  t.notOk(isRunning(pid));
});
