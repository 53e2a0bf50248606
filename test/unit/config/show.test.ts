import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cut, showPath, showText } from '../../../src/config/show.ts';
import { mistakes } from './support.ts';

const HUGE = 'x'.repeat(1_000_000);

t.test('a text is shown on one line, and no longer than a line', async (t) => {
  t.equal(showText('a\nb'), String.raw`"a\nb"`);
  t.equal(cut('a\tb'), 'a\tb');
  t.equal(cut(HUGE), `${'x'.repeat(117)}...`);
  t.equal(showText(HUGE), cut(HUGE));
});

t.test('a path is shown whole, as long as it can be one', async (t) => {
  const path = `/${'folder/'.repeat(30)}app.ts`;
  t.equal(showPath(path), path);
  t.equal(showPath('/a\nb'), String.raw`"/a\nb"`);
  t.equal(showPath(HUGE).length, 300);
});

/** Whatever is wrong, and however long: who reads the message still sees where, and what to do. */
function staysShort(t: Test, said: readonly string[], expected: readonly RegExp[]): void {
  t.match(said, expected);
  for (const problem of said) t.ok(problem.length < 700, `${problem.length} characters`);
}

t.test('nothing of an ini is echoed whole', async (t) => {
  const ini = [
    `${HUGE} = 1`,
    '[options]',
    HUGE,
    `http_port = ${HUGE}`,
    `${HUGE} = 2`,
    `= ${HUGE}`,
    `[${HUGE}]`,
    `[options] ; ${HUGE}`,
  ].join('\n');
  const folder = t.testdir({ 'app.ts': '', 'tricorn.ini': ini });
  staysShort(t, mistakes(folder, { argv: ['app.ts'] }), [
    /^tricorn\.ini:1 x+\.\.\.: stands before the first section/,
    /^tricorn\.ini:3 x+\.\.\.: unknown setting$/,
    /^tricorn\.ini:4 http_port = x+\.\.\.: must be an integer/,
    /^tricorn\.ini:5 x+\.\.\.: duplicate key; the first is in line 3$/,
    /^tricorn\.ini:6 = x+\.\.\.: neither a \[section\] nor/,
    /^tricorn\.ini:7 \[x+\.\.\.\]: unknown section/,
    /^tricorn\.ini:8 \[options\] ; x+\.\.\.: a \[section\] begins its line/,
  ]);
});

t.test('nor of the command line and the environment', async (t) => {
  const folder = t.testdir({ 'app.ts': '' });
  const argv = ['app.ts', HUGE, `--${HUGE}`, `--help=${HUGE}`, `--evented=${HUGE}`, `--config=${join('/', HUGE)}`];
  staysShort(t, mistakes(folder, { argv, env: { TRICORN_WORKERS: HUGE } }), [
    /^--config=\/x+\.\.\.: cannot be read: ENAMETOOLONG/,
    /^TRICORN_WORKERS = x+\.\.\.: must be/,
    /^--x+\.\.\.: unknown flag$/,
    /^--help=x+\.\.\.: takes no value$/,
    /^--evented=x+\.\.\.: takes no value/,
    /^x+\.\.\.: unexpected; one app only/,
  ]);
});
