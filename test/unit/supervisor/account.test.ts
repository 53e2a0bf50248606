import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { accountOf, giveLogfile } from '../../../src/supervisor/account.ts';

const ROOT = { uid: 0, gid: 0 };
const NOBODY = { user: '65534', group: '65533' };
const me = userInfo();

t.test('nobody is asked for: as the supervisor', async (t) => {
  t.equal(accountOf({ user: '', group: '' }), undefined);
});

t.test('by number, by name, or both', async (t) => {
  t.same(accountOf(NOBODY, ROOT), { uid: 65_534, gid: 65_533 });
  t.same(accountOf({ user: '', group: '65533' }, ROOT), { uid: 0, gid: 65_533 });
  t.same(accountOf({ user: me.username, group: '1' }, { uid: 0, gid: -1 }), { uid: me.uid, gid: 1 });
  t.same(accountOf({ user: me.username, group: '' }, { uid: 0, gid: -1 }), { uid: me.uid, gid: me.gid });
  t.same(accountOf({ user: '7', group: 'daemon' }, ROOT), { uid: 7, gid: 1 });
});

t.test('who it already is, anybody may ask for', async (t) => {
  t.equal(accountOf({ user: '1000', group: '100' }, { uid: 1000, gid: 100 }), undefined);
});

t.test('who cannot be had is refused by name', async (t) => {
  const error = (what: string, reason: RegExp) => ({
    code: 'TRC_USER',
    exitCode: 4,
    message: new RegExp(`^${what}: ${reason.source}`),
  });
  t.throws(() => accountOf({ user: 'nobody-here', group: '' }, ROOT), error('user nobody-here', /is not known here$/));
  t.throws(() => accountOf({ user: '1', group: 'none-here' }, ROOT), error('group none-here', /is not known here$/));
  t.throws(() => accountOf({ user: '--help', group: '' }, ROOT), error('user --help', /is not known here$/));
  t.throws(
    () => accountOf(NOBODY, { uid: 1000, gid: 1000 }),
    error('user 65534, group 65533', /only root can give workers the rights of somebody else$/),
  );
});

t.test('the logfile is given to whom it is written by; a device is left alone', async (t) => {
  const folder = t.testdir({});
  const logfile = join(folder, 'log');
  writeFileSync(logfile, '');
  // To ourselves: only root could give it to somebody else.
  giveLogfile({ user: 'x', group: '', logfile }, { uid: me.uid, gid: me.gid });
  t.equal(statSync(logfile).uid, me.uid);
  const device = join(folder, 'device');
  symlinkSync('/dev/null', device);
  const before = statSync(device).uid;
  giveLogfile({ user: 'x', group: '', logfile: device }, { uid: 12_345, gid: 12_345 });
  t.equal(statSync(device).uid, before);
  giveLogfile({ user: 'x', group: '', logfile: '' }, ROOT);
  t.throws(() => giveLogfile({ user: 'x', group: '', logfile: join(folder, 'gone') }, ROOT), {
    code: 'TRC_USER',
    message: /^user x: logfile .*gone cannot be given to them: ENOENT/,
  });
});
