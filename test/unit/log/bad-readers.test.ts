import { once } from 'node:events';
import fs from 'node:fs';
import t, { type Test } from 'tap';
import type { ChildProcess } from 'node:child_process';

import { makePipe, readNow, reportOf, startWriter } from './support.ts';

function judge(t: Test, report: Record<string, unknown>): void {
  t.equal(report['turns'], 400, 'the loop went on turning, though nothing was ever read');
  t.ok((report['grown'] as number) < 40e6, `memory is bounded: ${String(report['grown'])} bytes more`);
}

t.test('a pipe that nobody reads holds neither the loop nor the thread pool', async (t) => {
  const { reader, writer } = makePipe(t.testdir());
  const child = startWriter(['stuck', 'json', '-'], ['ignore', writer, 'inherit', 'ipc']);
  fs.closeSync(writer);
  judge(t, await reportOf(child));
  const ended = once(child, 'exit');
  child.send('end');
  await ended;
  t.ok(readNow(reader).length > 0);
  t.equal(child.exitCode, 0);
});

t.test('nor does a socket', async (t) => {
  const child = startWriter(['stuck', 'text', '-'], ['ignore', 'pipe', 'inherit', 'ipc']);
  judge(t, await reportOf(child));
  child.send('end');
  await once(child, 'exit');
  t.equal(child.exitCode, 0);
});

async function goAway(t: Test, child: ChildProcess, leave: () => void): Promise<void> {
  t.equal((await reportOf(child))['wrote'], true);
  leave();
  child.send('on');
  t.equal((await reportOf(child))['serving'], true);
  await once(child, 'exit');
  t.equal(child.exitCode, 0);
}

t.test('a reader of a pipe that goes away (| head -1) ends nothing', async (t) => {
  const { reader, writer } = makePipe(t.testdir());
  const child = startWriter(['closed', 'json', '-'], ['ignore', writer, 'inherit', 'ipc']);
  fs.closeSync(writer);
  await goAway(t, child, () => {
    t.match(readNow(reader), /first/);
    fs.closeSync(reader);
  });
});

t.test('nor does the reader of a socket', async (t) => {
  const child = startWriter(['closed', 'json', '-'], ['ignore', 'pipe', 'inherit', 'ipc']);
  await goAway(t, child, () => child.stdout?.destroy());
});
