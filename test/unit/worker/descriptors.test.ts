import { closeSync, fstatSync, openSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { InheritedListener } from '../../../src/protocol.ts';
import { Descriptors } from '../../../src/worker/descriptors.ts';

/** Any descriptors do: what matters is who closes them. */
function open(t: Test): number {
  const fd = openSync(import.meta.filename, 'r');
  t.teardown(() => isOpen(fd) && closeSync(fd));
  return fd;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

t.test('each is given once, then it says which socket has none left', async (t) => {
  const fds = [open(t), open(t)];
  const unix: InheritedListener = { kind: 'unix', shown: 'unix:/s', claimFd: 3, acceptFds: fds };
  const tcp: InheritedListener = { kind: 'tcp', shown: 'here:80', claimFd: 4, acceptFds: [5] };
  const descriptors = new Descriptors([tcp, unix]);
  t.equal(descriptors.spent, undefined);
  t.same(descriptors.take(), [{ kind: 'unix', fd: fds[0] }], 'TCP is the main thread’s');
  t.same(descriptors.take(), [{ kind: 'unix', fd: fds[1] }]);
  t.equal(descriptors.spent, 'unix:/s');
  t.same(descriptors.take(), []);
});

t.test('those that nobody took are closed, the others are left to who has them', async (t) => {
  const [given, left] = [open(t), open(t)];
  const descriptors = new Descriptors([{ kind: 'unix', shown: 'unix:/s', claimFd: 3, acceptFds: [given, left] }]);
  descriptors.take();
  descriptors.close();
  t.same([given, left].map(isOpen), [true, false]);
  t.same(descriptors.take(), []);
});

t.test('without unix sockets there is nothing to do', async (t) => {
  const descriptors = new Descriptors([{ kind: 'tcp', shown: 'here:80', claimFd: 4, acceptFds: [5] }]);
  t.same(descriptors.take(), []);
  t.equal(descriptors.spent, undefined);
});
