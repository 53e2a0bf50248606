import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import t from 'tap';
import { checkArguments } from '../../../src/control/arguments.ts';
import { controlCommandNamed, controlCommands, type ControlCommand } from '../../../src/control/commands.ts';

function named(name: string): ControlCommand {
  const command = controlCommandNamed(name);
  if (!command) throw new Error(`no command ${name}`);
  return command;
}

const [scale, mode, recycle, reload] = ['scale', 'mode', 'recycle', 'reload'].map(named) as [
  ControlCommand,
  ControlCommand,
  ControlCommand,
  ControlCommand,
];

t.test('what is allowed is taken as it is', async (t) => {
  t.same(checkArguments(scale, { count: 4 }), { values: { count: 4 }, problems: [] });
  t.same(checkArguments(recycle, { worker: 1 }), { values: { worker: 1 }, problems: [] });
  for (const worker of ['cron-1', 'evented-12']) {
    t.same(checkArguments(recycle, { worker }), { values: { worker }, problems: [] });
  }
  t.same(checkArguments(mode, { mode: 'evented' }), { values: { mode: 'evented' }, problems: [] });
  t.same(checkArguments(reload, {}), { values: {}, problems: [] });
  t.same(checkArguments(reload, { live: true }), { values: { live: true }, problems: [] });
  t.same(checkArguments(scale, { count: 'auto' }).values, { count: availableParallelism() });
});

t.test('everything that is wrong is told at once: what was seen, and what is allowed', async (t) => {
  const problems = (command: ControlCommand, given: unknown): readonly string[] =>
    checkArguments(command, given).problems;
  t.same(problems(scale, {}), ['count: missing; it must be an integer from 1 to 1024, or auto']);
  for (const count of [0, 1025, 1.5, '4', null, {}, true]) {
    t.same(problems(scale, { count }).length, 1, JSON.stringify(count));
  }
  t.same(problems(mode, { mode: 'threadde', count: -1, workers: 2 }), [
    'workers: unknown; there is only mode, count',
    'mode = threadde: must be one of prefork, threaded, evented; did you mean threaded?',
    'count = -1: must be an integer from 1 to 1024, or auto',
  ]);
  t.same(problems(mode, { mode: 'evented', count: 2 }), ['count: the evented mode has one event loop; leave it out']);
  for (const worker of [0, -1, 1.5, '1', 'cron', 'cron-0', 'cron-1x', 'http-1', 'evented-']) {
    t.match(problems(recycle, { worker }), [
      /: must be a number from 1 on, evented-N or cron-N, as status names workers$/,
    ]);
  }
  t.same(problems(named('rollback'), { force: true }), ['force: unknown; there are no arguments']);
  t.same(problems(reload, { live: 'yes', force: 1 }), [
    'force: unknown; there is only live',
    'live = yes: must be true or false',
  ]);
  for (const given of [null, [], 'x', 4])
    t.match(problems(scale, given), [/must be a JSON object, such as {"count":1}$/]);
});

t.test('whatever JSON holds, it is taken or refused, never both, and nothing is thrown', async (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...controlCommands), fc.jsonValue(), (command, given) => {
      const { values, problems } = checkArguments(command, given);
      const fields = (command.arguments ?? []).map(({ field }) => field as string);
      return problems.length > 0 || Object.keys(values).every((field) => fields.includes(field));
    }),
  );
  t.same(checkArguments(scale, JSON.parse('{"__proto__":{"count":1}}')).values, {});
});
