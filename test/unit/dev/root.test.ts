import t from 'tap';
import { watchedFolder } from '../../../src/dev/root.ts';

const having =
  (...paths: string[]) =>
  (path: string) =>
    paths.includes(path);

t.test('the folder of the nearest package.json above the app', async (t) => {
  t.equal(watchedFolder('/srv/shop/src/app.ts', having('/srv/shop/package.json', '/srv/package.json')), '/srv/shop');
  t.equal(watchedFolder('/srv/shop/app.ts', having('/srv/shop/package.json')), '/srv/shop');
});

t.test("the app's own folder without a package.json, and where what is never watched lies between", async (t) => {
  t.equal(watchedFolder('/srv/shop/src/app.ts', having()), '/srv/shop/src');
  t.equal(watchedFolder('/srv/.cache/src/app.ts', having('/srv/package.json')), '/srv/.cache/src');
  t.equal(watchedFolder('/srv/node_modules/demo/app.ts', having('/srv/package.json')), '/srv/node_modules/demo');
});
