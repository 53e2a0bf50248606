import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import t from 'tap';

import { jsonLines, startWriter } from './support.ts';

/** 3 processes with 3 event loops each, 100 lines per loop. */
const EXPECTED = 900;

t.test('on one pipe no line is torn, and long ones are cut', async (t) => {
  const out = path.join(t.testdir(), 'out');
  const child = spawn(
    'sh',
    ['-c', `"${process.execPath}" "${import.meta.dirname}/writer.ts" crowd json - | cat > "${out}"`],
    {
      stdio: 'inherit',
    },
  );
  await once(child, 'exit');
  const lines = jsonLines(fs.readFileSync(out, 'utf8'));
  t.equal(lines.length, EXPECTED);
  t.ok(lines.some((line) => line['truncated'] === true));
});

t.test('on one socket', async (t) => {
  const child = startWriter(['crowd', 'json', '-'], ['ignore', 'pipe', 'inherit']);
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  const lines = jsonLines(Buffer.concat(chunks).toString());
  t.equal(lines.length, EXPECTED);
});

t.test('in one logfile, and nothing is cut', async (t) => {
  const file = path.join(t.testdir(), 'log');
  await once(startWriter(['crowd', 'json', file], 'inherit'), 'exit');
  const lines = jsonLines(fs.readFileSync(file, 'utf8'));
  t.equal(lines.length, EXPECTED);
  t.notOk(lines.some((line) => line['truncated']));
  t.equal(fs.statSync(file).mode & 0o137, 0, 'not executable, not for others, and no more than 0640');
});

t.test('with standard output sent to a file', async (t) => {
  const file = path.join(t.testdir(), 'log');
  const fd = fs.openSync(file, 'w');
  await once(startWriter(['crowd', 'json', '-'], ['ignore', fd, 'inherit']), 'exit');
  t.equal(jsonLines(fs.readFileSync(file, 'utf8')).length, EXPECTED);
});

t.test('however the process ends, the rest is written', async (t) => {
  const file = path.join(t.testdir(), 'log');
  for (const how of ['exit', 'throw', 'end']) {
    await once(startWriter([how, 'json', file], ['ignore', 'ignore', 'ignore']), 'exit');
    const last = jsonLines(fs.readFileSync(file, 'utf8')).slice(-2);
    t.same(new Set(last.map(({ msg }) => msg)), new Set([how, 'in flight']));
  }
});

t.test('a line that is being written when a thread ends is written', async (t) => {
  const file = path.join(t.testdir(), 'log');
  await once(startWriter(['end-threads', 'json', file], ['ignore', 'ignore', 'inherit']), 'exit');
  const lines = jsonLines(fs.readFileSync(file, 'utf8')).map(({ msg }) => msg);
  for (const line of ['close', 'in flight', 'exit']) t.equal(lines.filter((msg) => msg === line).length, 10, line);
});

t.test('also while all of the thread pool is taken', async (t) => {
  const file = path.join(t.testdir(), 'log');
  await once(startWriter(['busy-pool', 'json', file], ['ignore', 'ignore', 'inherit']), 'exit');
  t.match(jsonLines(fs.readFileSync(file, 'utf8')), [{ msg: 'close' }]);
});
