import fs from 'node:fs';
import path from 'node:path';
import t from 'tap';

import type { LogConfig } from '../../../src/log/identity.ts';
import type { Logger } from '../../../src/log/logger.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { openSupervisorLog } from '../../../src/log/supervisor-log.ts';
import { holds, jsonLines, makePipe, readNow } from './support.ts';

const config = (folder: string, rest: Partial<LogConfig> = {}): LogConfig => ({
  logfile: path.join(folder, 'log'),
  log_level: 'info',
  log_format: 'json',
  ...rest,
});
const read = ({ logfile }: LogConfig): string => fs.readFileSync(logfile, 'utf8');

t.test('pino’s shape, with who wrote it, and raw lines in order', async (t) => {
  const c = config(t.testdir());
  const { log, write, close } = openLog(c, { role: 'http', worker: 1, thread: 2, generation: 3 });
  log.info({ a: 1 }, 'hello');
  write('{"raw":true}');
  log.child({ reqId: 'x' }).warn('child');
  log.debug('not at this level');
  close();
  const [first, ...others] = jsonLines(read(c));
  t.match(first, {
    level: 30,
    time: Number,
    pid: process.pid,
    role: 'http',
    worker: 1,
    thread: 2,
    generation: 3,
    a: 1,
  });
  t.match(others, [{ raw: true }, { reqId: 'x', level: 40, msg: 'child' }]);
});

t.test('text', async (t) => {
  const c = config(t.testdir(), { log_format: 'text' });
  const { log, close } = openLog(c, { role: 'cron', worker: 1 });
  log.error(new Error('boom\nbang'), 'It failed');
  close();
  t.match(
    await holds(c.logfile, 'bang'),
    /^\S+ \S+ ERROR \[\d+ cron 1\] It failed\n {4}Error: boom\n {4}bang\n {8}at /,
  );
});

t.test('the supervisor’s log writes what pino would', async (t) => {
  const { path: logfile, reader, writer } = makePipe(t.testdir());
  const cause = new TypeError('cause');
  const err = Object.assign(new Error('boom', { cause }), { code: 'E1' });
  const say = (log: Logger): void => {
    log.info('plain');
    log.warn({ worker: 2, child: 99 }, 'about a worker');
    log.error({ err }, 'with message');
    log.debug('not at this level');
    log.error(err);
    log.fatal({ code: 'TRC_X' });
  };
  const lines = [openLog, openSupervisorLog].map((open) => {
    const { log, close } = open(config('', { logfile }), { role: 'supervisor' });
    say(log);
    close();
    return jsonLines(readNow(reader));
  });
  fs.closeSync(reader);
  fs.closeSync(writer);
  // pino repeats the causes' messages in `message`; that they are in the stack is enough.
  const plain = (line: Record<string, unknown>): unknown => ({
    ...line,
    time: 0,
    err: { ...(line['err'] as object), message: 0 },
  });
  t.same(lines[1]?.map(plain), lines[0]?.map(plain));
  t.equal(lines[1]?.length, 5);
});

t.test('a field cannot hide which process wrote the line', async (t) => {
  const c = config(t.testdir());
  const { log, close } = openSupervisorLog(c);
  log.info({ pid: 1, level: 99, x: 1 }, 'm');
  close();
  t.match(jsonLines(read(c)), [{ pid: process.pid, level: 30, x: 1, role: 'supervisor' }]);
});

t.test('the supervisor: text, and silence', async (t) => {
  const c = config(t.testdir(), { log_format: 'text' });
  const { log, flushSync, close } = openSupervisorLog(c);
  log.info({ worker: 2 }, 'is ready');
  flushSync();
  t.match(read(c), /INFO {2}\[\d+ supervisor\] is ready worker=2\n$/);
  close();
  const silent = openSupervisorLog({ ...c, log_level: 'silent' });
  silent.log.fatal('nothing');
  silent.close();
  t.notMatch(read(c), 'nothing');
});

t.test('of the thread that watches every line is', async (t) => {
  const c = config(t.testdir());
  const { log, close } = openSupervisorLog(c, { role: 'http', worker: 1 }, true);
  for (const level of ['info', 'error'] as const) {
    log[level](level);
    t.match(jsonLines(read(c)).at(-1), { msg: level });
  }
  close();
});

t.test('a fatal line is in the file when the call returns', async (t) => {
  const c = config(t.testdir());
  for (const open of [openLog, openSupervisorLog]) {
    const { log, close }: { log: Logger; close: () => void } = open(c, { role: 'supervisor' });
    log.info('before');
    log.fatal('now');
    t.match(jsonLines(read(c)).slice(-2), [{ msg: 'before' }, { msg: 'now' }]);
    close();
  }
});
