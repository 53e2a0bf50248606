import t from 'tap';
import { ignored } from '../../../src/dev/ignored.ts';

const rules = (names: string[], own: string[] = ['']) => ignored({ root: '/srv/.x/app', names, own });

t.test(
  'node_modules and folders whose name begins with a dot are left out at any depth, other files and folders are not',
  async (t) => {
    const { folder, file } = rules([]);
    for (const name of ['node_modules', '.git', 'lib/node_modules', 'lib/.cache'])
      t.ok(folder(`/srv/.x/app/${name}`), name);
    for (const name of ['lib', 'dist', 'my_node_modules']) t.notOk(folder(`/srv/.x/app/${name}`), name);
    for (const name of ['app.ts', '.env', 'views/index.html', 'data.json']) t.notOk(file(`/srv/.x/app/${name}`), name);
  },
);

t.test('what editors write beside a file is left out', async (t) => {
  const { file } = rules([]);
  const scratch = ['.app.ts.swp', '.app.ts.swo', '4913', 'app.ts~', '.#app.ts', '#app.ts#', 'app.ts.tmp'];
  for (const name of [...scratch, 'app.ts___jb_tmp___', '.DS_Store']) t.ok(file(`/srv/.x/app/lib/${name}`), name);
});

t.test('watch_ignore: a name or glob at any depth, or with a slash a path from the watched folder', async (t) => {
  const { folder, file } = rules(['dist', '*.db', 'public/uploads/', './data/**/*.csv', '/tmp']);
  t.ok(folder('/srv/.x/app/dist'));
  t.ok(folder('/srv/.x/app/packages/one/dist'));
  t.ok(file('/srv/.x/app/dist'), 'a file of that name, too');
  t.ok(file('/srv/.x/app/data/main.db'));
  t.ok(folder('/srv/.x/app/public/uploads'));
  t.notOk(folder('/srv/.x/app/lib/public/uploads'));
  t.notOk(folder('/srv/.x/app/public'));
  t.ok(file('/srv/.x/app/data/2026/may.csv'));
  t.notOk(file('/srv/.x/app/may.csv'));
  t.ok(folder('/srv/.x/app/tmp'));
  t.notOk(folder('/srv/.x/app/lib/tmp'), 'a slash before it makes it a path');
});

t.test('what the service itself writes is left out, with what a rotation leaves', async (t) => {
  const { file } = rules([], ['/srv/.x/app/app.log', '', '/srv/.x/app/app.pid']);
  for (const name of ['app.log', 'app.log.1', 'app.log.2.gz', 'app.pid']) t.ok(file(`/srv/.x/app/${name}`), name);
  t.notOk(file('/srv/.x/app/app.logic.ts'));
});
