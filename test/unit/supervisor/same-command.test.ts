import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { sameCommand, type Started } from '../../../src/supervisor/same-command.ts';

const usual: Started = {
  argv0: 'no-such-node',
  execPath: '/opt/node-1/bin/node',
  execArgv: [],
  argv: ['/opt/node-1/bin/node', '/srv/releases/1/tricorn', 'app.ts', '--workers=2'],
  cwd: '/srv/releases/1',
  folder: '/srv/current',
  path: '/nowhere:/usr/nowhere',
};

t.test('the script is looked for where the working directory leads to now', async (t) => {
  t.same(sameCommand(usual), { file: '/opt/node-1/bin/node', args: ['/srv/current/tricorn', 'app.ts', '--workers=2'] });
  for (const script of ['/usr/bin/tricorn', '/srv/releases/10/tricorn']) {
    const argv = ['', script];
    t.same(sameCommand({ ...usual, argv }).args, [script], 'elsewhere: as it was given');
  }
});

t.test('flags of node stay, but those for the debugging port, which this process has', async (t) => {
  const execArgv = ['--inspect=9229', '--max-old-space-size=64'];
  t.same(sameCommand({ ...usual, execArgv }).args[0], '--max-old-space-size=64');
});

t.test('node: where its name leads to now', async (t) => {
  const folder = t.testdir({ none: '' });
  for (const name of ['a', 'b']) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'node'), '');
  }
  chmodSync(join(folder, 'b', 'node'), 0o755);
  const file = (given: Partial<Started>): string => sameCommand({ ...usual, folder, ...given }).file;
  const path = `${folder}/a:${folder}/b`;
  t.equal(file({ argv0: 'node', path }), join(folder, 'b', 'node'), 'by the search path, where it is a program');
  t.equal(file({ argv0: 'node', path: 'b' }), join(folder, 'b', 'node'), 'from the folder where it was called');
  symlinkSync('b/node', join(folder, 'link'));
  t.equal(file({ argv0: './link' }), join(folder, 'link'), 'a link stays one');
  t.equal(file({ argv0: join(folder, 'link') }), join(folder, 'link'));
  t.equal(file({ argv0: join(folder, 'none') }), usual.execPath, 'else the one that runs');
  t.equal(file({ argv0: folder }), usual.execPath, 'a folder is no program');
});
