/** What `npm pack` yields works when it is installed into an empty project. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { checkout, environment, installPackage, olderNode, run, withoutHooks } from '../support/installed-package.ts';

const APP = `
import { defineApp } from 'tricorn';
export default defineApp({ fetch: () => new Response('from the package') });
`;

const TYPED = `
import { defineApp, type AppContext, type DefinedApp } from 'tricorn';

const worker = ({ worker }: AppContext): number => worker;
export const app: DefinedApp = defineApp({ fetch: (request) => new Response(request.url), onStart: worker });
export default defineApp({ http: async (fastify) => fastify.get('/', async (request) => request.ip) });

// @ts-expect-error fetch is a function
defineApp({ fetch: 'hello' });
// @ts-expect-error an app has one way to answer
defineApp({ fetch: () => new Response(), handler: (request, response) => response.end() });
`;

const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    module: 'nodenext',
    moduleResolution: 'nodenext',
    strict: true,
    noEmit: true,
    // The one thing that a TypeScript project on Node.js brings itself.
    types: ['node'],
    typeRoots: [join(checkout, 'node_modules/@types')],
  },
  files: ['typed.ts'],
};

const MODES = { threaded: [], prefork: ['--workers=2'], evented: ['--evented'] };

const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };
const project = await installPackage(t, {
  'package.json': JSON.stringify({ name: 'empty', private: true, type: 'module' }),
  'tsconfig.json': JSON.stringify(TSCONFIG),
  'app.js': APP,
  'typed.ts': TYPED,
});
const installed = join(project, 'node_modules/tricorn');
const tricorn = join(project, 'node_modules/.bin/tricorn');

t.test('it holds compiled code, types and docs, and no sources', async (t) => {
  const entries = await readdir(installed, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(installed, join(parentPath, name)));
  const expected = /^(bin\/tricorn\.js|dist\/.+\.(js|d\.ts)|docs\/.+|(README|CHANGELOG)\.md|LICENSE|package\.json)$/;
  t.strictSame(
    files.filter((file) => !expected.test(file)),
    [],
    'nothing else',
  );
  const needed = [
    'bin/tricorn.js',
    'dist/bin/main.js',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/worker/main.js',
  ];
  for (const file of [...needed, 'README.md', 'CHANGELOG.md', 'LICENSE']) t.ok(files.includes(file), file);
  t.notOk(existsSync(join(project, 'node_modules/.bin/node')), 'the pinned Node.js stays in the checkout');
});

t.test('plain JavaScript imports defineApp', async (t) => {
  const print = "import('tricorn').then(({ defineApp }) => console.log(typeof defineApp({ fetch() {} }).fetch))";
  t.equal(await run(project, 'node', ['-e', print]), 'function\n');
});

t.test('TypeScript resolves its types', async (t) => {
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc');
  t.equal(await run(project, 'node', [tsc, '-p', project]), '');
});

t.test('its command prints version and help', async (t) => {
  t.ok((await run(project, tricorn, ['--version'])).includes(manifest.version), 'the version of package.json');
  t.match(await run(project, tricorn, ['--help']), /--workers/);
});

for (const [mode, flags] of Object.entries(MODES)) {
  t.test(`its command serves an app, ${mode}, and stops on TERM`, async (t) => {
    const args = ['app.js', '--http-interface=127.0.0.1', '--http-port=0', ...flags];
    const server = spawn('env', withoutHooks(tricorn, args), {
      cwd: project,
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => server.kill('SIGKILL'));
    const exited = once(server, 'exit');
    // A connection kept alive would rightly be waited for when the server stops.
    const response = await fetch(await readyAddress(t, server), { headers: { connection: 'close' } });
    t.equal(await response.text(), 'from the package');
    server.kill('SIGTERM');
    t.strictSame(await exited, [0, null], 'exit code 0');
  });
}

const old = olderNode();
t.test('an older Node.js is told what to do', { skip: old === undefined && 'none on this machine' }, async (t) => {
  for (const folder of [installed, checkout]) {
    const bin = join(folder, 'bin/tricorn.js');
    const command = withoutHooks(old?.path ?? '', [bin, 'app.js']);
    const { status, stdout, stderr } = spawnSync('env', command, { cwd: project, encoding: 'utf8' });
    t.equal(status, 1, 'exit code 1');
    t.equal(stdout, '');
    t.match(stderr, /^[^\n]+\n$/, 'one line');
    t.ok(stderr.includes(old?.version ?? ''), 'it names the version that it saw');
    t.match(stderr, /24\.21|26\.10/, 'it names the versions that work');
  }
});

/** The address in the log line that begins with "Ready". Where the server ends before, the test's comment is what came instead. */
async function readyAddress(t: Test, { stdout }: ChildProcess): Promise<string> {
  const lines: string[] = [];
  let address: string | undefined;
  for await (const line of createInterface({ input: stdout! })) {
    lines.push(line);
    const { msg = '' } = JSON.parse(line) as { msg?: string };
    if (msg.startsWith('Ready')) address = /http:\/\/127\.0\.0\.1:\d+/.exec(msg)?.[0];
    if (address !== undefined) break;
  }
  // Read on, unheeded: a server whose log nobody reads is a case of its own.
  stdout!.resume();
  if (address !== undefined) return address;
  t.comment(lines.join('\n'));
  throw new Error('the server ended before it was ready');
}
