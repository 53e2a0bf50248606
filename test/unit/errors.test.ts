import t from 'tap';
import { catalogue, logError, RemoteError, toWireError, TricornError, type ErrorCode } from '../../src/errors.ts';
import { recordLog } from './supervisor/support.ts';

const codes = Object.keys(catalogue) as ErrorCode[];
/** What every template of the catalogue asks for. */
const VALUES = { count: '1 mistake', problems: 'x', address: '[::1]:80', reason: 'r', path: '/p', app: 'a', seen: 's' };
const ALL = {
  ...VALUES,
  seconds: 60,
  limit: 10,
  route: 'GET /',
  starts: 10,
  what: 'a pipe',
  command: 'scale',
  place: 'a.db',
  name: 'job',
  question: '',
};

t.test('every entry says what was seen and what to do', async (t) => {
  for (const code of codes) {
    const { message, hint, exit, status } = catalogue[code];
    t.match(code, /^TRC_[A-Z_]+$/);
    t.match(message, /^\S.*[^.]$/s, `${code}: no full stop, the hint follows it`);
    t.match(hint, /^\S.*\.$/s, `${code}: a sentence`);
    t.ok(exit !== undefined || status !== undefined, `${code} ends something`);
    t.ok(exit === undefined || (exit > 0 && exit < 126), `${code}: an error never exits 0, and not as a shell does`);
    t.notMatch(new TricornError(code, ALL).message, /[{}]/, `${code}: filled in`);
  }
});

t.test('the exit code tells what kind of error it was', async (t) => {
  const of = (code: ErrorCode): number => new TricornError(code, ALL).exitCode;
  t.same(
    ['TRC_INTERNAL', 'TRC_CONFIG', 'TRC_APP_BOOT', 'TRC_PORT_IN_USE'].map((code) => of(code as ErrorCode)),
    [1, 2, 3, 4],
  );
});

t.test('values are filled in as they are', async (t) => {
  const odd = "{reason} $& $1 $'";
  t.equal(new TricornError('TRC_PIDFILE', { path: odd, reason: 'full' }).message, `pidfile ${odd}: full`);
  t.match(new TricornError('TRC_BOOT_TIMEOUT', { app: 'a.ts', seconds: 0.5 }), {
    name: 'TricornError',
    code: 'TRC_BOOT_TIMEOUT',
    message: 'the app a.ts was not ready within boot_timeout = 0.5 s',
    hint: catalogue.TRC_BOOT_TIMEOUT.hint,
  });
});

t.test('a value that is missing is a mistake of ours, and is found at once', async (t) => {
  t.throws(
    () => new TricornError('TRC_APP_LOAD'),
    new TypeError('no value for {app} in: the app {app} failed to load'),
  );
});

t.test('the cause is kept', async (t) => {
  const cause = new Error('underneath');
  t.equal(new TricornError('TRC_INTERNAL', {}, { cause }).cause, cause);
});

t.test('on the wire: an error of the app brings its stack, one of address or configuration does not', async (t) => {
  const cause = new Error('underneath');
  const ofApp = new TricornError('TRC_APP_BOOT', { app: 'a.ts' }, { cause });
  const { code, message, hint, exitCode } = ofApp;
  t.same(toWireError(ofApp), { code, message, hint, exitCode, stack: cause.stack });
  t.equal(toWireError(new TricornError('TRC_PIDFILE', { path: 'p', reason: 'r' }, { cause })).stack, '');
  t.equal(toWireError(new TricornError('TRC_APP_LISTENS', { app: 'a.ts' })).stack, '', 'no cause, no stack');
});

t.test('on the wire: whatever else is thrown is an error of Tricorn itself, with its stack', async (t) => {
  const error = new TypeError('oops');
  t.match(toWireError(error), { code: 'TRC_INTERNAL', exitCode: 1, stack: error.stack });
  t.equal(toWireError({ odd: true }).stack, 'thrown: { odd: true }');
  t.equal(toWireError(undefined).stack, 'thrown: undefined');
  const bare = Object.assign(new Error('bare'), { stack: undefined });
  t.equal(toWireError(bare).stack, 'Error: bare');
  t.equal(toWireError(new TricornError('TRC_APP_LOAD', { app: 'a' }, { cause: 'text' })).stack, "thrown: 'text'");
});

t.test('on the wire: the stack is that of the cause and of its causes', async (t) => {
  const innermost = new Error('connection refused');
  const middle = new Error('plugin db failed', { cause: innermost });
  const error = new TricornError('TRC_APP_BOOT', { app: 'a.ts' }, { cause: middle });
  t.match(toWireError(error).stack, /^Error: plugin db failed\n[^]*\nCaused by: Error: connection refused\n/);
});

t.test('an error that came over the wire goes on as it came', async (t) => {
  const wire = toWireError(new TricornError('TRC_APP_FORM', { app: 'a.ts', seen: 'a string' }));
  t.same(structuredClone(wire), wire, 'it crosses to another thread');
  t.same(JSON.parse(JSON.stringify(wire)), wire, 'and to another process');
  const remote = new RemoteError(wire);
  t.equal(remote.message, wire.message);
  t.equal(toWireError(remote), wire);
});

t.test('in the log: what, what to do, and where', async (t) => {
  const { log, lines } = recordLog();
  const wire = toWireError(new TricornError('TRC_PIDFILE', { path: 'p', reason: 'full' }));
  logError(log, wire);
  logError(log, { ...wire, stack: 'Error: x\n    at y' }, 'worker 2: ');
  logError(log, { ...wire, message: 'did you mean workers?' });
  const message = `pidfile p: full. ${catalogue.TRC_PIDFILE.hint}`;
  t.same(lines, [
    { level: 'fatal', code: 'TRC_PIDFILE', message },
    { level: 'fatal', code: 'TRC_PIDFILE', stack: 'Error: x\n    at y', message: `worker 2: ${message}` },
    { level: 'fatal', code: 'TRC_PIDFILE', message: `did you mean workers? ${catalogue.TRC_PIDFILE.hint}` },
  ]);
});
