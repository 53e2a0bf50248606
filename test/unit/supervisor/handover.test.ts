import t from 'tap';
import {
  CHANNEL_FD,
  describe,
  parseHandover,
  successorDecoder,
  takeHandover,
  type FromSuccessor,
} from '../../../src/supervisor/handover.ts';

t.test('what is described is read as it was, by the numbers that it is inherited under', async (t) => {
  const file = { dev: 1, ino: 2 };
  const env: Record<string, string | undefined> = {
    OTHER: 'stays',
    ...describe(77, [
      { fd: 20, asked: 'tcp ::1:80' },
      { fd: 31, asked: 'unix /s', file },
    ]),
  };
  const text = takeHandover(env);
  t.same(env, { OTHER: 'stays' }, 'nobody inherits the variable');
  t.same(parseHandover(text ?? ''), {
    version: 1,
    pid: 77,
    sockets: [
      { fd: CHANNEL_FD + 1, asked: 'tcp ::1:80' },
      { fd: CHANNEL_FD + 2, asked: 'unix /s', file },
    ],
  });
});

t.test('without the variable there is nothing', async (t) => {
  t.equal(takeHandover({}), undefined);
});

t.test('what is of another version, or no handover at all, is not read', async (t) => {
  const valid = { version: 1, pid: 77, sockets: [] };
  t.ok(parseHandover(JSON.stringify(valid)));
  const odd = [
    { version: 2 },
    { pid: 'x' },
    { sockets: null },
    { sockets: [{}] },
    { sockets: [{ fd: 1, asked: 'x' }] },
  ];
  for (const one of odd) t.equal(parseHandover(JSON.stringify({ ...valid, ...one })), undefined);
  for (const text of ['', 'null', '1', '{']) t.equal(parseHandover(text), undefined);
});

t.test('messages come as they were said; what is none is passed over', async (t) => {
  const heard: FromSuccessor[] = [];
  const decode = successorDecoder((message) => heard.push(message));
  decode(Buffer.from('{"type":"boots","sec'));
  decode(Buffer.from('onds":3}\n{"type":"boots"}\nnull\n{"type":"ready","taken":["unix /s"]}\n'));
  t.doesNotThrow(() => decode(Buffer.from('<html>\n')));
  t.same(heard, [
    { type: 'boots', seconds: 3 },
    { type: 'ready', taken: ['unix /s'] },
  ]);
});
