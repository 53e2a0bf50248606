import fc from 'fast-check';
import t from 'tap';
import { toWireError } from '../../src/errors.ts';
import {
  encodeLine,
  FIRST_LISTENER_FD,
  LIFELINE_FD,
  lineDecoder,
  unwrap,
  wrap,
  type FromLifeline,
  type FromWorker,
  type ToLifeline,
} from '../../src/protocol.ts';

/** Any text: a function or a file may be called anything. */
const text = fc.string({ unit: 'binary' });
const stacks: fc.Arbitrary<FromLifeline> = fc.record({
  type: fc.constant('stacks' as const),
  loops: fc.array(fc.record({ thread: fc.nat(), frames: fc.array(text, { maxLength: 3 }) }), { maxLength: 3 }),
});
const messages = fc.array(stacks, { maxLength: 5 });

/** The bytes, cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

function decode(chunks: readonly Buffer[]): unknown[] {
  const seen: unknown[] = [];
  const feed = lineDecoder<unknown>((message) => seen.push(message));
  for (const chunk of chunks) feed(chunk);
  return seen;
}

t.test('one line a message', async (t) => {
  const message: FromLifeline = { type: 'stacks', loops: [{ thread: 1, frames: ['    at a\n    at b'] }] };
  const line = encodeLine(message);
  t.equal(line.indexOf('\n'), line.length - 1);
  t.same(decode([Buffer.from(line)]), [message]);
});

t.test('messages in one chunk come in their order; what is not ended waits', async (t) => {
  const order: ToLifeline = { type: 'stacks' };
  const answer: FromLifeline = { type: 'stacks', loops: [] };
  const seen: unknown[] = [];
  const feed = lineDecoder<unknown>((message) => seen.push(message));
  feed(Buffer.from(`${encodeLine(order)}${encodeLine(answer)}{"type":`));
  t.same(seen, [order, answer]);
  feed(Buffer.from('"stacks"}'));
  t.equal(seen.length, 2, 'a line without its end');
  feed(Buffer.from('\n'));
  t.same(seen, [order, answer, order]);
});

t.test('any messages arrive whole, however the pipe cuts them', async () => {
  fc.assert(
    fc.property(messages, fc.array(fc.nat()), (sent, places) => {
      const bytes = Buffer.from(sent.map(encodeLine).join(''));
      // The lone surrogates that a string may hold travel as JSON escapes, so nothing is lost on the way.
      return JSON.stringify(decode(cut(bytes, places))) === JSON.stringify(sent);
    }),
  );
});

t.test('a character that two chunks share stays whole', async (t) => {
  const message: FromLifeline = {
    type: 'stacks',
    loops: [{ thread: 0, frames: ['    at größer (/srv/ä/日本.ts:1:1)'] }],
  };
  const bytes = Buffer.from(encodeLine(message));
  t.same(decode([...bytes].map((byte) => Buffer.of(byte))), [message]);
});

t.test('two decoders do not share what they wait for', async (t) => {
  const seen: unknown[] = [];
  const one = lineDecoder<unknown>((message) => seen.push(message));
  const other = lineDecoder<unknown>((message) => seen.push(message));
  one(Buffer.from('{"a":'));
  other(Buffer.from('{"b":1}\n'));
  t.same(seen, [{ b: 1 }]);
  one(Buffer.from('2}\n'));
  t.same(seen, [{ b: 1 }, { a: 2 }]);
});

t.test('the descriptors follow stdin, stdout, stderr and the IPC channel', async (t) => {
  t.same([LIFELINE_FD, FIRST_LISTENER_FD], [4, 5]);
});

t.test('what a worker says arrives as it was said', async (t) => {
  const words: FromWorker[] = [
    { type: 'ready', form: 'f', jobs: 0 },
    { type: 'fatal', error: toWireError(new Error('x')) },
    { type: 'broken' },
    { type: 'closed' },
    { type: 'published' },
    { type: 'threads', ready: 2 },
    { type: 'lost', thread: 1 },
    { type: 'renewed', jobs: 0 },
    { type: 'measured', loops: [] },
    { type: 'health', healthy: false },
    { type: 'worn', reason: 'limit_request' },
    { type: 'usage', rss: 1, loops: [] },
  ];
  for (const said of words) {
    // As the channel has it.
    t.same(unwrap(JSON.parse(JSON.stringify(wrap(said)))), JSON.parse(JSON.stringify(said)), said.type);
    t.equal(unwrap(said), undefined, `${said.type} without its envelope is a word of the app`);
  }
});

t.test('in the envelope, too, only what a worker says is taken', async (t) => {
  for (const sent of [undefined, null, 'ready', 1, [], {}]) {
    t.equal(unwrap(sent), undefined);
    t.equal(unwrap({ tricorn: sent }), undefined);
  }
  for (const type of ['ready', 'fatal', 'worn', 'health', 'threads', 'lost', 'usage', 'measured', 'hello'])
    t.equal(unwrap({ tricorn: { type } }), undefined, `${type} without what belongs to it`);
});
