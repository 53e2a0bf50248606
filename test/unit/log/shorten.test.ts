import t from 'tap';

import { shortenJson, shortenText } from '../../../src/log/shorten.ts';

const parse = (line: string): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>;
const fits = (line: string): boolean => Buffer.byteLength(line) <= 4096 && line.endsWith('\n');

t.test('the longest string is cut, the others stay', async (t) => {
  const line = shortenJson(
    `${JSON.stringify({ level: 30, a: 'short', err: { stack: 'x'.repeat(9000) }, msg: 'm' })}\n`,
    4096,
  );
  t.ok(fits(line));
  t.ok(Buffer.byteLength(line) > 4000, 'and no more than needed');
  t.match(parse(line), { level: 30, a: 'short', msg: 'm', truncated: true });
});

t.test('several long strings, escapes, several bytes per character, halves of pairs', async (t) => {
  for (const text of ['"\\\n'.repeat(2000), '世界'.repeat(3000), `x${'👋'.repeat(3000)}`, '\ud83d'.repeat(3000)]) {
    const line = shortenJson(`${JSON.stringify({ level: 30, a: text, b: [text], msg: text })}\n`, 4096);
    t.ok(fits(line));
    t.equal(parse(line)['truncated'], true);
  }
});

t.test('many fields: what is left says who, when and what', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, i]));
  const line = shortenJson(`${JSON.stringify({ level: 50, time: 1, pid: 2, worker: 3, ...many, msg: 'm' })}\n`, 4096);
  t.same(parse(line), { level: 50, time: 1, pid: 2, worker: 3, msg: 'm', truncated: true });
});

t.test('what is no JSON, and text: cut with a note', async (t) => {
  const line = shortenJson(`no json ${'x'.repeat(9000)}\n`, 4096);
  t.ok(fits(line));
  t.match(line, / \[\d+ more bytes cut\]\n$/);
});

t.test('text is cut between characters', async (t) => {
  for (const lead of ['', 'a', 'aa', 'aaa']) {
    const line = shortenText(`${lead}${'👋'.repeat(3000)}\n`, 4096);
    t.ok(fits(line));
    t.notMatch(line, '\ufffd');
    const cut = Number(/\[(\d+) more/.exec(line)?.[1]);
    t.equal(cut + Buffer.byteLength(line.replace(/ \[.*/s, '')), lead.length + 12_000, 'the note is right');
  }
});
