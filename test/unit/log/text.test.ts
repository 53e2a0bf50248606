import t from 'tap';

import { identityFields } from '../../../src/log/identity.ts';
import { formatText, textOfJson } from '../../../src/log/text.ts';

const writer = { ...identityFields({ role: 'http', worker: 1, thread: 2, generation: 3 }), pid: 4711 };
const head = { level: 30, time: new Date(2026, 10, 23, 14, 52, 0, 123).getTime(), ...writer };

t.test('one readable line', async (t) => {
  t.equal(
    formatText({ ...head, hostname: 'h', a: 1, b: 'x', c: 'two words', d: { e: [true] }, msg: 'hello' }, writer),
    '2026-11-23 14:52:00.123 INFO  [4711 worker 1.2] hello a=1 b=x c="two words" d={"e":[true]}\n',
  );
});

t.test('who wrote it', async (t) => {
  const label = (identity: Parameters<typeof identityFields>[0]): string =>
    /\[\d+ (.*)\]/.exec(formatText({ level: 30, msg: '' }, identityFields(identity)))?.[1] ?? '';
  t.equal(label({ role: 'supervisor' }), 'supervisor');
  t.equal(label({ role: 'http', worker: 4 }), 'worker 4');
  t.equal(label({ role: 'cron', worker: 1 }), 'cron 1');
  t.equal(label({ role: 'evented', worker: 1, thread: 0 }), 'evented 1.0');
});

t.test('the supervisor on a worker: what differs from the writer is shown', async (t) => {
  const supervisor = { pid: 1, role: 'supervisor' };
  t.match(
    formatText({ level: 40, ...supervisor, worker: 2, msg: 'died' }, supervisor),
    /WARN  \[1 supervisor\] died worker=2\n$/,
  );
});

t.test('levels: names, numbers of an app, labels of a formatter', async (t) => {
  t.match(formatText({ level: 60 }, writer), / FATAL \[/);
  t.match(formatText({ level: 35 }, writer), / L35 {3}\[/);
  t.match(formatText({ level: 'warn' }, writer), / WARN {2}\[/);
});

t.test('an error: message, own fields, indented stack', async (t) => {
  const err = { type: 'Error', message: 'boom', stack: 'Error: boom\n    at x', code: 'E1' };
  const entry = formatText({ ...head, err, msg: 'boom' }, writer);
  t.match(entry, /\] boom code=E1\n {4}Error: boom\n {8}at x\n$/);
  t.match(formatText({ ...head, err }, writer), /\] boom code=E1\n/, 'without msg');
  t.match(formatText({ ...head, stack: 'at a\nat b', msg: 'Stack' }, writer), /\] Stack\n {4}at a\n {4}at b\n$/);
});

t.test('what an error of the catalogue lists stands on lines of its own', async (t) => {
  const msg = '2 mistakes:\n  a.ini:1 x\n  a.ini:2 y. docs/settings.md';
  const entry = formatText({ ...head, code: 'TRC_CONFIG', msg, stack: 'at z' }, writer);
  t.match(entry, /\] 2 mistakes: code=TRC_CONFIG\n {6}a\.ini:1 x\n {6}a\.ini:2 y\. docs\/settings\.md\n {4}at z\n$/);
  t.match(formatText({ ...head, code: 'E1', msg }, writer), /2 mistakes:\\n  a\.ini:1/, 'others stay one line');
});

t.test('nothing that a request sends can forge a line', async (t) => {
  const evil = 'x\n2026-11-23 14:52:00.123 INFO  [1 supervisor] forged\x1b[2J';
  for (const fields of [
    { msg: evil },
    { msg: 'm', [evil]: 1 },
    { msg: 'm', a: evil },
    { msg: 'm', a: { b: [evil] } },
  ]) {
    const entry = formatText({ ...head, ...fields }, writer);
    t.equal(entry.indexOf('\n'), entry.length - 1, 'one line');
    t.notMatch(entry, '\x1b');
  }
  const entry = formatText({ ...head, err: { message: evil, stack: `Error: ${evil}` }, msg: evil }, writer);
  t.match(entry.trimEnd().split('\n').slice(1), [/^ {4}/, /^ {4}/], 'a stack is indented');
});

t.test('lines of JSON, and what is none', async (t) => {
  t.match(textOfJson('{"level":30,"msg":"hi"}\n', writer), / INFO {2}\[4711 worker 1\.2\] hi\n$/);
  t.equal(textOfJson('no json\x07\n', writer), 'no json\\x07\n');
});
