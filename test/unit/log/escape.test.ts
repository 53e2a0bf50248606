import t from 'tap';

import { escapeControls, escapeQuoted } from '../../../src/log/escape.ts';

t.test('plain text is left alone', async (t) => {
  t.equal(escapeControls('Grüße, 世界 👋 "x" \\'), 'Grüße, 世界 👋 "x" \\');
});

t.test('controls are spelled out', async (t) => {
  t.equal(escapeControls('a\nb\r\tc\0d\x1b[31m\x7f\x9b'), 'a\\nb\\r\\tc\\x00d\\x1b[31m\\x7f\\x9b');
  t.equal(escapeControls('\u2028\u202e\u2066'), '\\u2028\\u202e\\u2066');
});

t.test('a quoted field cannot end early', async (t) => {
  t.equal(escapeQuoted('a"b\\"\n'), 'a\\"b\\\\\\"\\n');
});
