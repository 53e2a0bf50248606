import fc from 'fast-check';
import t from 'tap';
import { parseCommandLine, placeholderOf } from '../../../src/config/command-line.ts';

function given(...argv: string[]): Record<string, unknown> {
  const { given: values, problems } = parseCommandLine(argv, '/work');
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return Object.fromEntries(values.map(({ key, raw }) => [key, raw]));
}

function problems(...argv: string[]): readonly string[] {
  return parseCommandLine(argv, '/work').problems;
}

t.test('commands and actions', async (t) => {
  t.match(parseCommandLine(['app.ts'], '/'), { command: 'serve', action: 'run' });
  t.match(parseCommandLine(['serve', 'app.ts'], '/'), { command: 'serve', given: [{ key: 'app', raw: 'app.ts' }] });
  t.match(parseCommandLine(['--workers=2', 'check', 'app.ts'], '/'), { command: 'check' });
  t.match(parseCommandLine(['./check'], '/'), { command: 'serve', given: [{ raw: './check' }] });
  t.match(parseCommandLine(['reload'], '/'), { command: 'reload', given: [], json: false });
  t.match(parseCommandLine(['check', '--json', 'a.ts'], '/'), { command: 'check', json: true, problems: [] });
  t.same(problems('--json', 'a.ts'), ['--json: is for commands, such as tricorn check']);
  t.match(parseCommandLine(['begin'], '/', ['serve', 'begin']), { command: 'begin', given: [] });
  for (const flag of ['--help', '-h']) t.match(parseCommandLine([flag], '/'), { action: 'help' });
  for (const flag of ['--version', '-V']) t.match(parseCommandLine([flag], '/'), { action: 'version' });
  t.match(parseCommandLine(['--print-config'], '/'), { action: 'print-config' });
  t.match(parseCommandLine(['--print-config', '-h', '--version'], '/'), { action: 'help' });
});

t.test('every way to write a flag', async (t) => {
  for (const argv of [['--http-port=80'], ['--http-port', '80'], ['-p', '80'], ['-p80'], ['-p=80']]) {
    t.same(given(...argv), { http_port: '80' }, argv.join(' '));
  }
  t.same(given('--evented', '--no-http', '--no-access-log'), {
    evented: 'true',
    http_enable: 'false',
    access_log: 'false',
  });
  t.same(given('--http'), { http_enable: 'true' });
  t.same(given('--workers', '-1'), { workers: '-1' }, 'a negative number is a value, for its range to refuse');
  t.same(given('--', '--evented.ts'), { app: '--evented.ts' });
});

t.test('--config', async (t) => {
  for (const argv of [['-c', 'x.ini'], ['--config=x.ini'], ['--config', 'x.ini'], ['-cx.ini']]) {
    t.equal(parseCommandLine(argv, '/').configFile, 'x.ini', argv.join(' '));
  }
  t.equal(parseCommandLine([], '/').configFile, undefined);
  t.same(problems('-c', 'x.ini', '--config=y.ini'), ['--config=y.ini: one config file only; the first is x.ini']);
});

t.test('of a flag given twice the last counts; lists add up', async (t) => {
  t.same(given('-w', '1', '--workers=2'), { workers: '2' });
  t.same(given('--evented', '--no-evented'), { evented: 'false' });
  t.same(given('--proxy-trust=::1', '--proxy-trust=loopback'), { proxy_trust: ['::1', 'loopback'] });
});

t.test('old names are accepted with a warning', async (t) => {
  const { given: values, warnings } = parseCommandLine(['--xmlrpc-port=80'], '/');
  t.match(values, [{ key: 'http_port', raw: '80', place: '--xmlrpc-port' }]);
  t.same(warnings, ['--xmlrpc-port: --xmlrpc-port is the old name of --http-port']);
});

t.test('every mistake at once', async (t) => {
  t.same(
    problems('--http-prot', '80', '--frobnicate', '-z', '--evented=yes', 'a.ts', 'b.ts', '--help=1', '--workers'),
    [
      '--http-prot: unknown flag; did you mean --http-port?',
      '--frobnicate: unknown flag',
      '-z: unknown flag',
      '--evented=yes: takes no value; write --evented or --no-evented',
      '--help=1: takes no value',
      '--workers: needs a value: --workers=N',
      'b.ts: unexpected; one app only, and that is a.ts',
    ],
  );
});

t.test('what other servers call it leads to the flag; its value is not taken for an app', async (t) => {
  t.same(problems('--port', '80', 'app.ts'), ['--port: unknown flag; did you mean --http-port?']);
  t.same(problems('--host=::1', '--log', 'a', '--max_requests=3', 'app.ts'), [
    '--host: unknown flag; did you mean --http-interface?',
    '--log: unknown flag; did you mean --logfile?',
    '--max_requests: unknown flag; did you mean --limit-request?',
  ]);
  // gunicorn and Puma.
  for (const flag of ['--bind', '-b'])
    t.same(problems(flag, ':80', 'app.ts'), [`${flag}: unknown flag; did you mean --http-interface and --http-port?`]);
});

t.test('a flag is not taken for the value of the one before it', async (t) => {
  const { given: values, problems: found } = parseCommandLine(['--logfile', '--evented', '-p', '-w', '2', '-c'], '/');
  t.same(found, [
    '--logfile: needs a value: --logfile=FILE',
    '-p: needs a value: -p PORT',
    '-c: needs a value: -c FILE',
  ]);
  t.match(values, [{ key: 'evented' }, { key: 'workers', raw: '2' }]);
});

t.test('a misspelt command', async (t) => {
  t.same(problems('chekc', 'app.ts'), ['chekc: unknown command; did you mean check?']);
  t.match(parseCommandLine(['stauts'], '/'), {
    given: [],
    isMisspelt: true,
    problems: ['stauts: unknown command; did you mean status?'],
  });
  for (const app of ['reload.ts', './relaod', 'apps/relaod', 'reception']) {
    t.match(parseCommandLine([app], '/'), { command: 'serve', given: [{ raw: app }], isMisspelt: false, problems: [] });
  }
  t.same(problems('check', 'a.ts', 'b.ts'), ['b.ts: unexpected; one app only, and that is a.ts']);
});

t.test('places for messages', async (t) => {
  t.match(parseCommandLine(['app.ts', '--workers', '4', '-p80'], '/work').given, [
    { place: '--workers', shown: '--workers=4', origin: 'flag', base: '/work' },
    { place: '-p', shown: '-p 80' },
    { place: 'the command line', shown: 'app.ts' },
  ]);
  t.equal(placeholderOf('http_port'), 'PORT');
  t.equal(placeholderOf('evented'), 'VALUE');
});

t.test('no command line makes it throw', async () => {
  const argument = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '--workers',
      '-w',
      '--no-http',
      '--',
      '-',
      '--=',
      '-=',
      '--__proto__',
      '--constructor=1',
      '-hV',
      '-cp',
    ),
  );
  fc.assert(fc.property(fc.array(argument), (argv) => Array.isArray(parseCommandLine(argv, '/').problems)));
});
