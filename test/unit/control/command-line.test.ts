import t from 'tap';
import { parseControlLine, usageOf, type ControlLine } from '../../../src/control/command-line.ts';
import { controlCommandNamed } from '../../../src/control/commands.ts';

function parse(...argv: string[]): ControlLine {
  const command = argv.flatMap((word) => controlCommandNamed(word) ?? [])[0];
  if (!command) throw new Error('no command');
  return parseControlLine(command, argv);
}

t.test('words and flags, in whatever order', async (t) => {
  t.match(parse('status'), { json: false, path: false, help: false, flags: {}, values: {}, problems: [] });
  t.match(parse('--json', 'status', '--path'), { json: true, path: true, problems: [] });
  t.match(parse('-h', 'reload'), { help: true });
  t.match(parse('-c', 'x.ini', 'reload', '--pidfile=p', '--control-socket', 's'), {
    flags: { config: 'x.ini', pidfile: 'p', control_socket: 's' },
    problems: [],
  });
  t.same(parse('scale', '4').values, { count: 4 });
  t.same(parse('--json', 'scale', '--', '4').values, { count: 4 });
  t.same(parse('recycle', '2').values, { worker: 2 });
  t.same(parse('mode', 'prefork', '--workers=4').values, { mode: 'prefork', count: 4 });
  t.same(parse('mode', '--threads', '8', 'threaded').values, { mode: 'threaded', count: 8 });
  t.same(parse('mode', 'evented').values, { mode: 'evented' });
});

t.test('what is wrong is told at once', async (t) => {
  for (const [argv, problems] of [
    [['status', '--josn'], ['--josn: unknown flag; did you mean --json?']],
    [['reload', '--path'], ['--path: unknown flag']],
    [['reload', 'now', 'please'], ['now please: unexpected']],
    [['reload', '--json=1'], ['--json: takes no value']],
    [['reload', '--pidfile', '--json'], ['--pidfile: needs a value: --pidfile=FILE']],
    [['reload', '--pidfile='], ['--pidfile: needs a value: --pidfile=FILE']],
    [['scale'], ['count: missing; it must be an integer from 1 to 1024, or auto']],
    [['scale', 'many'], ['count = many: must be an integer from 1 to 1024, or auto']],
    [['recycle', '0'], ['worker = 0: must be a number from 1 on, evented-N or cron-N, as status names workers']],
    [['mode', 'prefork', '--threads=2'], ['--threads=2: is for threaded; the mode prefork has --workers']],
    [['mode', 'evented', '--workers=2'], ['--workers=2: is for prefork; leave it out']],
    [
      ['mode', 'thread', '-x'],
      ['-x: unknown flag', 'mode = thread: must be one of prefork, threaded, evented; did you mean threaded?'],
    ],
  ] as const) {
    t.same(parse(...argv).problems, problems, argv.join(' '));
  }
});

t.test('usage', async (t) => {
  const usage = (name: string): string => usageOf(controlCommandNamed(name)!);
  t.equal(usage('mode'), 'mode MODE [--workers=N|--threads=N]');
  t.equal(usage('status'), 'status [--path]');
  t.equal(usage('scale'), 'scale N');
});
