/** Every app that `fastify generate` makes runs unchanged. Those in CommonJS TypeScript run as its own scripts run them: compiled. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import t, { type Test } from 'tap';
import { serve } from './mounting.ts';

const require = createRequire(import.meta.url);
const TEMPLATES = path.join(path.dirname(require.resolve('fastify-cli/package.json')), 'templates');

/** Copies a template into a folder of its own, as `fastify generate` does. */
function generate(t: Test, template: string, type: 'module' | 'commonjs'): string {
  const folder = t.testdir();
  cpSync(path.join(TEMPLATES, template), folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type }));
  return folder;
}

async function check(t: Test, app: string): Promise<void> {
  const served = await serve(app);
  t.strictSame(await (await fetch(served.url)).json(), { root: true });
  t.equal(await (await fetch(`${served.url}/example`)).text(), 'this is an example');
  await served.end();
}

t.test('app', (t) => check(t, path.join(generate(t, 'app', 'commonjs'), 'app.js')));
t.test('app-esm', (t) => check(t, path.join(generate(t, 'app-esm', 'module'), 'app.js')));
t.test('app-ts-esm', (t) => check(t, path.join(generate(t, 'app-ts-esm', 'module'), 'src/app.ts')));

t.test('app-ts, compiled', async (t) => {
  const folder = generate(t, 'app-ts', 'commonjs');
  const config = {
    compilerOptions: {
      target: 'es2023',
      module: 'node20',
      outDir: 'dist',
      rootDir: 'src',
      types: ['node'],
      skipLibCheck: true,
      strict: true,
    },
    include: ['src'],
  };
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
  mkdirSync(path.join(folder, 'dist'));
  const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'lib/tsc.js');
  execFileSync(process.execPath, [tsc, '-p', folder], { stdio: 'inherit' });
  await check(t, path.join(folder, 'dist/app.js'));
});
