import { closeSync, openSync } from 'node:fs';
import { BoundSocket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { adopt, takePassed } from '../../../src/supervisor/activation.ts';
import { shortFolder } from '../../support/ini.ts';

const nobody = (): void => {};

t.test('the descriptors count from 3 and have the names of their units', async (t) => {
  const env = { LISTEN_FDS: '3', LISTEN_PID: '77', LISTEN_FDNAMES: 'web::admin', OTHER: 'stays' };
  t.same(takePassed(env, 77, nobody), [
    { fd: 3, name: 'web' },
    { fd: 4, name: 'unknown' },
    { fd: 5, name: 'admin' },
  ]);
  t.same(env, { OTHER: 'stays' }, 'nobody inherits the variables');
});

t.test('without names, without descriptors, without anything', async (t) => {
  t.same(takePassed({ LISTEN_FDS: '1', LISTEN_PID: '77' }, 77, nobody), [{ fd: 3, name: 'unknown' }]);
  t.same(takePassed({ LISTEN_FDS: '0', LISTEN_PID: '77' }, 77, nobody), []);
  t.same(takePassed({}, 77, nobody), []);
});

t.test('what is meant for another process is not taken, and not passed on', async (t) => {
  for (const LISTEN_PID of ['78', undefined]) {
    const env = { LISTEN_FDS: '1', ...(LISTEN_PID && { LISTEN_PID }) };
    const foreign: string[] = [];
    t.same(
      takePassed(env, 77, (pid) => foreign.push(pid)),
      [],
    );
    t.same(foreign, [LISTEN_PID ?? '']);
    t.same(env, {});
  }
});

t.test('LISTEN_FDS that is no number is refused', async (t) => {
  for (const LISTEN_FDS of ['', 'x', '-1', '1.5', '99999']) {
    t.throws(() => takePassed({ LISTEN_FDS, LISTEN_PID: '77' }, 77, nobody), { code: 'TRC_ACTIVATION', exitCode: 4 });
  }
});

t.test('a TCP socket is adopted with its address', async (t) => {
  const bound = new BoundSocket({ host: '127.0.0.1', port: 0 });
  const { port } = bound.address();
  const listener = adopt({ fd: bound.fd(), name: 'web' });
  t.match(listener, { kind: 'tcp', address: { address: '127.0.0.1', port }, shown: `127.0.0.1:${port}` });
  t.equal(listener.isLost, undefined, 'its file, if it had one, would be another’s');
  // Not closed: the descriptor is the BoundSocket's here, which closes it.
  bound.close();
});

t.test('a unix socket is adopted with its path', async (t) => {
  const path = join(shortFolder(t), 's');
  const options = { path };
  const bound = new BoundSocket(options as object);
  t.match(adopt({ fd: bound.fd(), name: 'web' }), { kind: 'unix', address: path, shown: `unix:${path}` });
  bound.close();
});

t.test('what is no listening stream socket is refused, by number and name', async (t) => {
  const file = openSync(import.meta.filename, 'r');
  t.throws(() => adopt({ fd: file, name: 'odd' }), {
    code: 'TRC_ACTIVATION',
    message: `what LISTEN_FDS has passed, descriptor ${file} (odd), is no socket`,
  });
  closeSync(file);
  t.throws(() => adopt({ fd: 9999, name: 'odd' }), { message: /descriptor 9999 \(odd\), is not open/ });
});
