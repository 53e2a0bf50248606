import t from 'tap';
import { FIRST_LISTENER_FD } from '../../../src/protocol.ts';
import { inherit } from '../../../src/supervisor/inheritance.ts';
import type { Listener } from '../../../src/supervisor/listener.ts';

const close = (): void => {};
const tcp: Listener = {
  kind: 'tcp',
  address: { address: '::1', family: 'IPv6', port: 80 },
  fd: 20,
  shown: '[::1]:80',
  close,
};
const unix: Listener = { kind: 'unix', address: '/s', fd: 21, shown: 'unix:/s', close };

t.test('each socket twice: to claim it and to accept on it', async (t) => {
  const { fds, listeners } = inherit([tcp, unix], 0);
  t.same(fds, [20, 20, 21, 21]);
  t.same(listeners, [
    { kind: 'tcp', shown: '[::1]:80', claimFd: FIRST_LISTENER_FD, acceptFds: [FIRST_LISTENER_FD + 1] },
    { kind: 'unix', shown: 'unix:/s', claimFd: FIRST_LISTENER_FD + 2, acceptFds: [FIRST_LISTENER_FD + 3] },
  ]);
});

t.test('a unix socket once for each thread, and some to spare', async (t) => {
  const { fds, listeners } = inherit([tcp, unix], 4);
  t.equal(listeners[0]?.acceptFds.length, 1);
  t.equal(listeners[1]?.acceptFds.length, 20);
  for (const { claimFd, acceptFds } of listeners) {
    const own = [claimFd, ...acceptFds].map((fd) => fds[fd - FIRST_LISTENER_FD]);
    t.equal(new Set(own).size, 1, 'every number leads to the same socket');
  }
  t.equal(fds.length, 2 + 21);
});

t.test('nothing where nothing listens', async (t) => {
  t.same(inherit([], 2), { fds: [], listeners: [] });
});
