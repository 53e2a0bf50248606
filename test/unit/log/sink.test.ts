import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';

import { openDestination } from '../../../src/log/destination.ts';
import { shortenText } from '../../../src/log/shorten.ts';
import { Sink } from '../../../src/log/sink.ts';
import type { SinkOptions } from '../../../src/log/sink.ts';
import { holds, makePipe, readNow } from './support.ts';

const MEMORY = 8 * 1024 * 1024;
/** Of a kilobyte each: more than MEMORY holds. */
const LINES = 12_000;

function open(file: string, options: Partial<SinkOptions> = {}): Sink {
  return new Sink(openDestination(file), { shorten: shortenText, onLoss: () => undefined, ...options });
}

t.test('lines are written together soon, urgent ones at once', async (t) => {
  const { path: file, reader, writer } = makePipe(t.testdir());
  const sink = open(file);
  sink.write('a\n', false);
  sink.write('b\n', false);
  t.equal(readNow(reader), '');
  sink.write('c\n', true);
  t.equal(readNow(reader), 'a\nb\nc\n');
  for (const letter of 'xy') sink.write(`${letter.repeat(2500)}\n`, false);
  t.match(readNow(reader), /^x{2500}\ny{2500}\n$/, 'a full batch is not kept waiting either');
  sink.close();
  fs.closeSync(writer);
  fs.closeSync(reader);
});

t.test('a pipe that nobody reads: bounded memory, the oldest go, the loss is told', async (t) => {
  const { path: file, reader, writer } = makePipe(t.testdir());
  const losses = Promise.withResolvers<[number, string]>();
  const sink = open(file, { onLoss: (lines, cause) => losses.resolve([lines, cause]) });
  for (let n = 0; n < LINES; n++) sink.write(`${n} ${'x'.repeat(990)}\n`, false);
  t.equal(sink.state, 'waiting');
  t.ok(sink.pending <= MEMORY + 4096, `${sink.pending} bytes`);
  let seen = readNow(reader);
  const [lost, cause] = await losses.promise;
  t.equal(cause, 'EAGAIN');
  while (sink.pending > 0) {
    seen += readNow(reader);
    sink.flushSync();
  }
  seen += readNow(reader);
  const numbers = seen
    .trimEnd()
    .split('\n')
    .map((line) => Number.parseInt(line, 10));
  t.equal(numbers.length + lost, LINES, 'every line is there or counted');
  t.equal(numbers.at(-1), LINES - 1, 'the newest is there');
  sink.close();
  fs.closeSync(writer);
  fs.closeSync(reader);
});

t.test('a full disk: no error, bounded memory, and the exit is not held', async (t) => {
  const sink = open('/dev/full');
  for (let n = 0; n < LINES; n++) sink.write(`${'x'.repeat(990)}\n`, true);
  t.equal(sink.state, 'waiting');
  t.ok(sink.pending <= MEMORY + 4096);
  sink.flushSync(10_000);
  sink.close();
  t.equal(sink.state, 'closed');
  sink.write('ignored\n', true);
});

t.test('half a line written, then a full disk: the line is repeated whole', async (t) => {
  const file = path.join(t.testdir(), 'log');
  const { write } = fs;
  const calls = [5, 'ENOSPC'];
  t.teardown(() => Object.assign(fs, { write }));
  Object.assign(fs, {
    write(
      fd: number,
      buffer: Buffer,
      offset: number,
      length: number,
      at: null,
      done: (e: unknown, n?: number) => void,
    ) {
      const next = calls.shift();
      if (next === 'ENOSPC') setImmediate(done, Object.assign(new Error('full'), { code: next }));
      else write(fd, buffer, offset, next === undefined ? length : Number(next), at, done);
    },
  });
  const sink = open(file);
  sink.write('one\n', false);
  sink.write('two\n', true);
  t.equal(await holds(file, 'two'), 'one\nt\ntwo\n');
  sink.close();
});

t.test('a logfile renamed away or removed is opened anew, looked for once a second', async (t) => {
  const file = path.join(t.testdir(), 'log');
  let now = 0;
  const sink = open(file, { now: () => now });
  sink.write('one\n', true);
  await holds(file, 'one');
  fs.renameSync(file, `${file}.1`);
  now += 999;
  sink.write('two\n', true);
  t.equal(await holds(`${file}.1`, 'two'), 'one\ntwo\n', 'not yet');
  now += 1;
  sink.write('three\n', true);
  t.equal(await holds(file, 'three'), 'three\n');
  fs.rmSync(file);
  now += 1000;
  sink.write('four\n', true);
  t.equal(await holds(file, 'four'), 'four\n');
  sink.close();
});

t.test('where it cannot be opened anew, the old file serves on', async (t) => {
  const folder = path.join(t.testdir({ logs: {} }), 'logs');
  let now = 0;
  const sink = open(path.join(folder, 'log'), { now: () => now });
  sink.write('one\n', true);
  await holds(path.join(folder, 'log'), 'one');
  fs.renameSync(folder, `${folder}.1`);
  now += 1000;
  sink.write('two\n', true);
  t.equal(await holds(path.join(`${folder}.1`, 'log'), 'two'), 'one\ntwo\n');
  sink.close();
});

t.test('close writes the rest, even behind a write in flight', async (t) => {
  const file = path.join(t.testdir(), 'log');
  const sink = open(file);
  sink.write('one\n', true);
  sink.write('two\n', false);
  sink.close();
  sink.close();
  await holds(file, 'one');
  t.match(fs.readFileSync(file, 'utf8'), 'two');
});

t.test('flush and close do not wait for the look at the logfile', async (t) => {
  const file = path.join(t.testdir(), 'log');
  let now = 0;
  const sink = open(file, { now: () => now });
  for (const lines of ['one\ntwo\n', 'one\ntwo\nthree\nfour\n']) {
    now += 1000;
    const [first, second] = lines.split('\n').slice(-3) as [string, string];
    sink.write(`${first}\n`, true);
    t.equal(sink.state, 'looking');
    sink.write(`${second}\n`, false);
    sink.flushSync();
    t.equal(fs.readFileSync(file, 'utf8'), lines);
    while (sink.state !== 'idle') await turn();
  }
  now += 1000;
  sink.write('five\n', true);
  t.equal(sink.state, 'looking');
  sink.close();
  t.match(fs.readFileSync(file, 'utf8'), /four\nfive\n$/);
});

t.test('a logfile that cannot be opened is TRC_LOGFILE', async (t) => {
  const folder = t.testdir();
  t.throws(() => open(path.join(folder, 'none', 'log')), { code: 'TRC_LOGFILE', message: /none\/log: ENOENT/ });
  t.throws(() => open(folder), { code: 'TRC_LOGFILE', message: /EISDIR/ });
});
