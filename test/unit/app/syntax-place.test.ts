import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { withoutHooks } from '../../support/installed-package.ts';

/** Says when it runs. */
const RUNS = `import { writeFileSync } from 'node:fs'; writeFileSync(new URL('ran', import.meta.url), '');\n`;
const WRONG = `${RUNS}export const wrong = ;\n`;
const PLACE = /^file:\/\/\S+\/wrong\.mjs:2\nexport const wrong = ;\n +\^\n\nSyntaxError: Unexpected token ';'/;

const folder = t.testdir({
  'wrong.mjs': WRONG,
  'imports.mjs': `${RUNS}import './deep.mjs';`,
  'deep.mjs': `${RUNS}import './wrong.mjs';`,
  'requires.cjs': `require('./wrong.mjs');`,
  'boots.mjs': `export default async function app() { await import('./wrong.mjs'); }`,
  'package.mjs': `await import('wrong');`,
  node_modules: { wrong: { 'package.json': '{"exports":"./wrong.mjs"}', 'wrong.mjs': WRONG } },
  'minified.mjs': `${'a;'.repeat(10_000)}const = 1;`,
  'name.mjs': `import { nothing } from './other.mjs';`,
  'other.mjs': '',
  'types.mts': 'const a: = 1;\nexport {};',
  'common.cjs': 'const = 1;',
  'parses.mjs': `\nJSON.parse('{');`,
});
const stacks = stacksOf(
  ['imports', 'boots', 'package', 'minified', 'name', 'parses']
    .map((name) => `${name}.mjs`)
    .concat('requires.cjs', 'common.cjs', 'types.mts'),
);

/** Mounts the apps in a process of their own, where Node's loader is without tap's hooks; gives the stacks of their errors. */
function stacksOf(apps: readonly string[]): Record<string, string> {
  const href = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    const { mountApp } = await import(${href('../../../src/app/mount.ts')});
    const { contextFor } = await import(${href('mounting.ts')});
    const stacks = {};
    for (const app of ${JSON.stringify(apps)}) {
      try {
        await (await mountApp(contextFor(${JSON.stringify(`${folder}/`)} + app).context)).start();
      } catch (error) {
        stacks[app] = error.cause.stack;
      }
    }
    process.stdout.write(JSON.stringify(stacks), () => process.exit());`;
  const args = withoutHooks(process.execPath, ['--conditions=tricorn-source', '--input-type=module', '--eval', script]);
  return JSON.parse(spawnSync('env', args, { encoding: 'utf8' }).stdout) as Record<string, string>;
}

t.test('of what the app imports, however deep, and of what it imports as it boots', async (t) => {
  for (const app of ['imports.mjs', 'requires.cjs', 'boots.mjs', 'package.mjs']) t.match(stacks[app], PLACE, app);
  t.notOk(existsSync(join(folder, 'ran')), 'nothing of it runs');
});

t.test('a line of a minified file is cut', async (t) => {
  t.match(stacks['minified.mjs'], /^file:\S+minified\.mjs:1\n(a;)+a?\.\.\.\n/);
  t.ok((stacks['minified.mjs'] ?? '').length < 3000);
});

t.test('a name that is not exported, TypeScript and CommonJS tell their place themselves, once', async (t) => {
  for (const app of ['name.mjs', 'types.mts', 'common.cjs']) {
    t.match(stacks[app], new RegExp(`^\\S*${app}:1\\n`), app);
    t.equal(stacks[app]?.split(`${app}:1\n`).length, 2);
  }
});

t.test('what the app throws itself stays as it is', async (t) => {
  t.match(stacks['parses.mjs'], /^SyntaxError: .*JSON[^]*parses\.mjs:2:/);
});
