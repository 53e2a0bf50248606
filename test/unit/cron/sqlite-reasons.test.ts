// What is said where the rights are missing: who may not do what, and what to do.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SqliteStore } from '../../../src/cron/sqlite-store.ts';
import { reasonOf } from '../../../src/cron/sqlite-reasons.ts';
import { withoutHooks } from '../../support/installed-package.ts';
import { source } from '../supervisor/support.ts';
import { DAY } from './support.ts';

const options = { who: { worker: 'cron 1', machine: 'here' }, limits: { failures: 5, overMs: 7 * DAY }, history: 10 };
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** Root asks as nobody, who must be able to read this checkout. */
const bin = join(import.meta.dirname, '../../../bin/tricorn.js');
const canAsk = !isRoot || spawnSync(process.execPath, [bin, '--version'], { uid: NOBODY, gid: NOBODY }).status === 0;
const skip = canAsk ? {} : { skip: 'nobody can read this checkout' };

/** What somebody without the rights of root is told, who asks the store in that folder. */
async function toldIn(t: Test, folder: string): Promise<string> {
  if (!isRoot) {
    const store = new SqliteStore(folder, options);
    t.teardown(() => store.close().catch(() => {}));
    return store.list().then(
      () => 'nothing',
      (error: Error) => error.message,
    );
  }
  const script = `
    import { SqliteStore } from ${source('cron/sqlite-store.ts')};
    const store = new SqliteStore(${JSON.stringify(folder)}, ${JSON.stringify(options)});
    console.log(await store.list().then(() => 'nothing', (error) => error.message));`;
  const scripts = mkdtempSync(join(tmpdir(), 'tricorn-script-'));
  t.teardown(() => rmSync(scripts, { recursive: true }));
  chmodSync(scripts, 0o755);
  writeFileSync(join(scripts, 'ask.mjs'), script);
  const args = withoutHooks(process.execPath, [join(scripts, 'ask.mjs')]);
  const { stdout, stderr } = spawnSync('env', args, { encoding: 'utf8', uid: NOBODY, gid: NOBODY, cwd: tmpdir() });
  t.equal(stderr, '');
  return stdout.trim();
}

/** A folder that others may enter, but not write in. */
function closed(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tricorn-closed-'));
  chmodSync(folder, 0o555);
  t.teardown(() => {
    chmodSync(folder, 0o755);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

t.test('a data_dir that may not be made', skip, async (t) => {
  const above = closed(t);
  const told = await toldIn(t, join(above, '.tricorn'));
  const words =
    /the user (\S+) may not make the folder \S+\.tricorn in \S+; make it for that user: install -d -o \1 -m 700 \S+\.tricorn$/;
  t.match(told, words);
  t.match(await toldIn(t, join(above, 'more/.tricorn')), new RegExp(`in ${above};`), 'the one above that is there');
});

t.test('a data_dir that may not be written in', skip, async (t) => {
  const folder = closed(t);
  t.match(
    await toldIn(t, folder),
    /the user (\S+) may not write in the folder (\S+); choose another data_dir, or give that user this one: chown \1 \2$/,
  );
});

t.test('a file in it that is somebody else’s', skip, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tricorn-taken-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o777);
  for (const name of ['tricorn.db', 'tricorn.db-wake']) {
    writeFileSync(join(folder, name), '');
    chmodSync(join(folder, name), 0o444);
    t.match(
      await toldIn(t, folder),
      new RegExp(
        `the user \\S+ may not read and write \\S+/${name}; give that user the files: chown -R \\S+ \\S+/tricorn\\.db\\*$`,
      ),
      name,
    );
    rmSync(join(folder, name));
  }
});

t.test('what has nothing to do with rights is told as it is', async (t) => {
  const folder = t.testdir({ 'tricorn.db': '' });
  t.equal(reasonOf(new Error('file is not a database'), folder), 'file is not a database');
  t.equal(
    reasonOf(Object.assign(new Error('unable to open database file'), { errcode: 14 }), folder),
    'unable to open database file',
  );
});
