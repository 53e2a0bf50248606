import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { FLAGS, heapFlags, hideHeapFlags } from '../../src/heap-flags.ts';

/** Bytes that new objects may take before they are collected. */
const CAPACITY = `(({ space_used_size: used, space_available_size: available }) => used + available)(
  require('node:v8').getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space'))`;

const capacity = (...flags: string[]): number =>
  Number(execFileSync(process.execPath, [...flags, '-p', CAPACITY], { env: {}, encoding: 'utf8' }));

t.test('this version of Node knows them', async (t) => {
  t.same(heapFlags, FLAGS, 'is one that they were tried with');
  const options = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  for (const flag of FLAGS) {
    const name = flag.replace(/^--(no-)?/, '').replace(/=.*/, '');
    t.match(options, new RegExp(`^  --(no-)?${name} `, 'm'), flag);
  }
});

t.test('the space for new objects is larger with them, and as small as whoever runs the service wants', async (t) => {
  const MIB = 2 ** 20;
  // What is left of them is a little less; without the flags it may have grown from 1 MiB to 2 or 4 when it is asked for.
  t.ok(capacity() < 8 * MIB);
  t.ok(capacity(...FLAGS) > 15 * MIB);
  t.ok(capacity(...FLAGS, '--max-semi-space-size=2') <= 2 * MIB);
});

t.test('an app gives its threads the flags of its process', async (t) => {
  const before = process.execArgv;
  t.teardown(() => (process.execArgv = before));
  process.execArgv = [...FLAGS, '--conditions=some'];
  hideHeapFlags();
  t.same(process.execArgv, ['--conditions=some']);
  const thread = new Worker('', { eval: true, execArgv: process.execArgv });
  t.same(await once(thread, 'exit'), [0]);
});
