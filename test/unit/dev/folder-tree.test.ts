import { mkdirSync, renameSync, rmSync, symlinkSync, watch, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { FolderTree, type FolderTreeOptions } from '../../../src/dev/folder-tree.ts';
import { ignored } from '../../../src/dev/ignored.ts';

interface Watched {
  readonly tree: FolderTree;
  readonly root: string;
  /** Does that, and resolves when the path, from the root, is told to have changed, or a folder that it is in. */
  after(act: () => void, path: string): Promise<void>;
  /** What has been told since the last time. */
  told(): string[];
}

type Content = NonNullable<Parameters<Test['testdir']>[0]>;
type Given = Partial<Pick<FolderTreeOptions, 'onLimit' | 'watch'>> & { readonly names?: string[] };

function watchFolder(t: Test, content: Content, { names = [], ...given }: Given = {}): Watched {
  const root = join(t.testdir({ app: content }), 'app');
  const told: string[] = [];
  let look = (): void => {};
  const tree = new FolderTree({
    root,
    ignored: ignored({ root, names, own: [] }),
    onChange: (path) => {
      told.push(relative(root, path));
      look();
    },
    onLimit: (reason) => t.fail(reason),
    ...given,
  });
  // A watch keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => {
    clearInterval(alive);
    tree.close();
  });
  const after = async (act: () => void, path: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    told.length = 0;
    look = () => told.some((one) => one === path || path.startsWith(`${one}/`)) && resolve();
    act();
    await promise;
  };
  return { tree, root, after, told: () => told.splice(0) };
}

t.test('files that are written, saved in the way of editors, made and removed, at any depth', async (t) => {
  const { tree, root, after } = watchFolder(t, { 'app.ts': '', lib: { deep: { 'x.ts': '' } } });
  const at = (path: string): string => join(root, path);
  const write = (path: string) => () => writeFileSync(at(path), 'new');
  t.equal(tree.size, 3);
  await after(write('app.ts'), 'app.ts');
  await after(write('lib/deep/x.ts'), 'lib/deep/x.ts');
  await after(() => {
    write('app.ts.new')();
    renameSync(at('app.ts.new'), at('app.ts'));
  }, 'app.ts');
  await after(() => {
    renameSync(at('app.ts'), at('app.ts~'));
    write('app.ts')();
    rmSync(at('app.ts~'));
  }, 'app.ts');
  await after(write('app.ts'), 'app.ts');
  await after(write('lib/y.ts'), 'lib/y.ts');
  await after(() => rmSync(at('lib/y.ts')), 'lib/y.ts');
});

t.test('folders that are made, moved, and removed and made again', async (t) => {
  const { tree, root, after } = watchFolder(t, { 'app.ts': '' });
  const at = (path: string): string => join(root, path);
  const make = (folder: string) => () => {
    mkdirSync(at(`${folder}/deep`), { recursive: true });
    writeFileSync(at(`${folder}/deep/x.ts`), '');
  };
  const write = (path: string) => () => writeFileSync(at(path), 'new');
  await after(make('lib'), 'lib');
  await after(write('lib/deep/x.ts'), 'lib/deep/x.ts');
  await after(() => {
    rmSync(at('lib'), { recursive: true });
    make('lib')();
  }, 'lib');
  await after(write('lib/deep/x.ts'), 'lib/deep/x.ts');
  await after(() => renameSync(at('lib'), at('src')), 'src');
  await after(write('src/deep/x.ts'), 'src/deep/x.ts');
  t.equal(tree.size, 3);
  await after(() => rmSync(at('src'), { recursive: true }), 'src');
  t.equal(tree.size, 1);
});

t.test('what is ignored costs no watch and tells nothing', async (t) => {
  const content = { node_modules: { x: { 'i.js': '' } }, '.git': {}, dist: {}, lib: {} };
  const { tree, root, after, told } = watchFolder(t, content, { names: ['dist', '*.db'] });
  t.equal(tree.size, 2);
  const ignoredFiles = ['node_modules/x/i.js', '.git/HEAD', 'dist/a.js', 'lib/a.db', 'lib/.a.ts.swp', 'lib/4913'];
  await after(() => {
    for (const path of ignoredFiles) writeFileSync(join(root, path), '');
    mkdirSync(join(root, 'lib/node_modules'));
    rmSync(join(root, 'dist'), { recursive: true });
    writeFileSync(join(root, 'lib/b.ts'), '');
  }, 'lib/b.ts');
  t.same([...new Set(told())], ['lib/b.ts']);
});

t.test('a link to a folder elsewhere is followed, one that leads back is not', async (t) => {
  const outside = join(t.testdirName, 'outside');
  const { tree, root, after } = watchFolder(t, { lib: {} });
  mkdirSync(outside);
  await after(() => symlinkSync(outside, join(root, 'shared')), 'shared');
  await after(() => writeFileSync(join(outside, 'x.ts'), ''), 'shared/x.ts');
  await after(() => symlinkSync(root, join(root, 'lib/again')), 'lib/again');
  await after(() => symlinkSync(outside, join(root, 'lib/shared')), 'lib/shared');
  t.equal(tree.size, 3);
});

t.test('a root that is removed is found again', async (t) => {
  const { root, after } = watchFolder(t, { 'app.ts': '' });
  await after(() => {
    rmSync(root, { recursive: true });
    mkdirSync(root);
    writeFileSync(join(root, 'app.ts'), '');
  }, '');
  await after(() => writeFileSync(join(root, 'app.ts'), 'new'), 'app.ts');
});

t.test('at the limit of the system it says so once, and watches what it can', async (t) => {
  const reasons: string[] = [];
  let left = 2;
  const limited = ((...args: Parameters<typeof watch>) => {
    left -= 1;
    if (left < 0) throw Object.assign(new Error('no more'), { code: 'ENOSPC' });
    return watch(...args);
  }) as typeof watch;
  const onLimit = (reason: string): unknown => reasons.push(reason);
  const { tree, root, after } = watchFolder(t, { a: {}, b: {}, c: {} }, { watch: limited, onLimit });
  t.equal(tree.size, 2);
  await after(() => writeFileSync(join(root, 'app.ts'), ''), 'app.ts');
  await after(() => mkdirSync(join(root, 'd')), 'd');
  t.equal(reasons.length, 1);
  t.match(reasons[0], /fs\.inotify\.max_user_watches/);
});
