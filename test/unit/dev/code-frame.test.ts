import t from 'tap';
import { codeFrame } from '../../../src/dev/code-frame.ts';

const text = Array.from({ length: 12 }, (_, index) => `line ${index + 1}`).join('\n');

t.test('two lines before and after, a mark at the line and a caret under the column', async (t) => {
  t.equal(
    codeFrame(text, 9, 3),
    ['   7 | line 7', '   8 | line 8', '>  9 | line 9', '     |   ^', '  10 | line 10', '  11 | line 11'].join('\n'),
  );
});

t.test('at the first and at the last line', async (t) => {
  t.equal(codeFrame('only', 1, 1), ['> 1 | only', '    | ^'].join('\n'));
  t.equal(codeFrame('one\r\ntwo\r\n', 2, 4), ['  1 | one', '> 2 | two', '    |    ^'].join('\n'));
});

t.test('after the last line: where a bracket is missing', async (t) => {
  t.equal(codeFrame('one(\n\n', 3, 1), ['  1 | one(', '  2 |', '> 3 |', '    | ^'].join('\n'));
});

t.test('a tab is as wide as a blank, so that the caret stands right', async (t) => {
  t.equal(codeFrame('\t\tx = ;', 1, 7), ['> 1 |   x = ;', '    |       ^'].join('\n'));
});

t.test('of a minified line the piece around the place is shown', async (t) => {
  const frame = codeFrame(`${'a;'.repeat(5000)}WRONG${';b'.repeat(5000)}`, 1, 10_001);
  const [source = '', caret = ''] = frame.split('\n');
  t.ok(source.length < 130);
  t.equal(source.indexOf('WRONG'), caret.indexOf('^'));
});

t.test('what would drive a terminal is spelled out', async (t) => {
  t.match(codeFrame('a\u001b[2Jb', 1, 1), /a\\x1b\[2Jb/);
});
