import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import ini from 'ini';
import t from 'tap';
import { parseIni, readIniFile, whyUnreadable } from '../../../src/config/ini-file.ts';
import { withIni } from './support.ts';

function options(text: string): Record<string, unknown> {
  return Object.fromEntries(parseIni(`[options]\n${text}`, 'x.ini').options.map(({ name, raw }) => [name, raw]));
}

function problems(text: string): readonly string[] {
  return parseIni(text, 'x.ini').problems;
}

t.test('the values are those of `ini`', async (t) => {
  const text = [
    'a = b ; comment',
    'c = d # comment',
    'e = "f ; # g"',
    String.raw`h = i\;j\#k`,
    "l = 'm'",
    'n = o = p',
    'q.r = s',
    't',
    'u = TRUE',
    'v = true',
    'w = null',
    "x = '12'",
    'y[] = 1',
    'y[] = 2',
    'z =',
    '"quoted key" = 1',
  ].join('\n');
  t.same(options(text), { ...ini.parse(`[options]\n${text}`).options });
  t.match(options(text), { a: 'b', e: 'f ; # g', h: 'i;j#k', n: 'o = p', 'q.r': 's', v: true, w: null, z: '' });
});

t.test('each key knows its line, with any line ends', async (t) => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = ['; a comment', '[options]', '', 'a = 1', '  b = 2', '# more', 'c'].join(end);
    const lines = parseIni(text, 'x.ini').options.map(({ name, line, bare }) => [name, line, bare]);
    t.same(lines, [
      ['a', 4, false],
      ['b', 5, false],
      ['c', 7, true],
    ]);
  }
});

t.test('[app] is passed on as plain frozen objects, sections nested', async (t) => {
  const { app } = parseIni('[app]\na = yes\nb = true\nc[] = 1\n[app.db]\nhost = h\n[app.db.pool]\nmax = 5', 'x.ini');
  t.strictSame(app, { a: 'yes', b: true, c: ['1'], db: { host: 'h', pool: { max: '5' } } });
  t.equal(Object.getPrototypeOf(app), Object.prototype);
  t.ok(Object.isFrozen(app) && Object.isFrozen(app['c']) && Object.isFrozen(app['db']));
});

t.test('no key reaches a prototype', async (t) => {
  const text = [
    '[app]',
    '__proto__ = 1',
    'constructor = fine',
    `json = '{"__proto__": {"polluted": 1}}'`,
    '[app.__proto__]',
    'polluted = 1',
    '[__proto__]',
    'polluted = 1',
    '[app.__proto__.deep]',
    'polluted = 1',
  ].join('\n');
  const { app, problems: found } = parseIni(text, 'x.ini');
  t.same(found, [
    'x.ini:2 __proto__: this name is not allowed',
    'x.ini:4 json: __proto__ is not allowed',
    'x.ini:5 [app.__proto__]: this name is not allowed',
    'x.ini:7 [__proto__]: this name is not allowed',
    'x.ini:9 [app.__proto__.deep]: this name is not allowed',
  ]);
  t.strictSame({ ...app, deep: 0 }, { constructor: 'fine', json: {}, deep: 0 });
  t.notOk(Object.hasOwn(app, '__proto__'));
  t.equal(Reflect.get({}, 'polluted'), undefined);
});

t.test('duplicate keys and sections name the first', async (t) => {
  t.same(problems('[options]\na = 1\nb = 2\na = 3\n[app]\na = 1\n[options]\nc = 1'), [
    'x.ini:4 a: duplicate key; the first is in line 2',
    'x.ini:7 [options]: duplicate section; the first is in line 1',
  ]);
  t.same(problems('[options]\na[] = 1\na[] = 2\n[app]\nb[] = 1\nb[] = 2'), [], 'key[] lines are one list');
  t.same(problems('[options]\na[] = 1\na = 2\nb = 1\nb[] = 2'), [
    'x.ini:3 a: duplicate key; the first is in line 2',
    'x.ini:5 b: duplicate key; the first is in line 4',
  ]);
});

t.test('a section nested under a key that is taken is a mistake, also where `ini` throws', async (t) => {
  t.same(problems('[app]\ndb = sqlite\n[app.db]\nhost = h'), [
    'x.ini:3 [app.db]: db is already a key of [app], in line 2',
  ]);
  t.same(problems('[app]\ndb = null\n[app.db.pool]\nmax = 5'), [
    'x.ini:3 [app.db.pool]: db is already a key of [app], in line 2',
  ]);
  t.match(problems("'null' = 1"), [/^x\.ini:1 /], 'a name that makes `ini` throw');
});

t.test('keys outside a section, unknown sections, and lines that are neither', async (t) => {
  t.same(problems('http_port = 80\n[option]\na = 1\n[zoo]\nb = 2\n= 3\n[]'), [
    'x.ini:1 http_port: stands before the first section; put it under [options]',
    'x.ini:2 [option]: unknown section; did you mean [options]?',
    'x.ini:4 [zoo]: unknown section; allowed are [options], [app] and [app.…]',
    'x.ini:6 = 3: neither a [section] nor a key = value',
    'x.ini:7 []: unknown section; allowed are [options], [app] and [app.…]',
  ]);
  t.same(problems("['1']"), ['x.ini:1 [1]: unknown section; allowed are [options], [app] and [app.…]']);
});

t.test('a section with a comment behind it, which `ini` takes for a key', async (t) => {
  t.same(problems('[options] ; mine\nhttp_prot = 1'), [
    'x.ini:1 [options] ; mine: a [section] begins its line and stands alone on it, without a comment',
  ]);
});

t.test('a BOM and CRLF are fine', async (t) => {
  const folder = withIni(t, '\uFEFF[options]\r\nhttp_port = 80\r\n');
  const file = readIniFile(join(folder, 'tricorn.ini'), 'tricorn.ini');
  t.same(file.problems, []);
  t.same(file.options, [{ name: 'http_port', line: 2, raw: '80', bare: false }]);
});

t.test('a file that is not UTF-8 is refused with the line', async (t) => {
  const folder = withIni(t, Buffer.from('[options]\n; ok\nlogfile = caf\xe9\n', 'latin1'));
  const { problems: found, readable } = readIniFile(join(folder, 'tricorn.ini'), 'tricorn.ini');
  t.same(found, ['tricorn.ini:3 not UTF-8; save the file in that encoding']);
  t.notOk(readable);
  const utf16 = withIni(t, Buffer.from('\uFEFF[options]', 'utf16le'));
  t.match(readIniFile(join(utf16, 'tricorn.ini'), 'x').problems, [/^x:1 not UTF-8/]);
});

t.test('a missing file, a folder, and one that may not be read', async (t) => {
  const folder = withIni(t, '');
  t.same(readIniFile(join(folder, 'no.ini'), 'no.ini', '--config=no.ini').problems, [
    `--config=no.ini: no such file: ${folder}/no.ini`,
  ]);
  t.same(readIniFile(folder, 'dir').problems, [`dir: is a folder, not a file: ${folder}`]);
  t.equal(whyUnreadable(Object.assign(new Error('x'), { code: 'EACCES' }), '/x'), 'no permission to read /x');
  t.equal(whyUnreadable(Object.assign(new Error('x'), { code: 'EIO' }), '/x'), 'cannot be read: EIO: /x');
});

t.test('a file that this user may not read', async (t) => {
  const path = join(withIni(t, ''), 'tricorn.ini');
  chmodSync(path, 0);
  t.same(
    asNobody(() => readIniFile(path, 'x').problems),
    [`x: no permission to read ${path}`],
  );
});

/** Root may read everything: it lays its rights down for as long as `read` takes. */
function asNobody<T>(read: () => T): T {
  if (process.geteuid?.() !== 0) return read();
  process.seteuid?.(65534);
  try {
    return read();
  } finally {
    process.seteuid?.(0);
  }
}
