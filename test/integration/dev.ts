/**
 * What `--dev=reload` promises, on the real command: what is saved is served, what is broken is shown and the last good
 * version serves on, and what is ignored does nothing. dev.*.test.ts run it, one file a mode.
 */
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { answerOf, get, HeldRequest, RawConnection } from '../support/http.ts';
import { loops, gone, modes, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';

const RELOADED = /^Reload: generation \d+ serves/;
const FAILED = /^Reload failed, generation \d+ serves on/;

/** An app that says which version it is, and reads a body before it answers. */
function appOf(version: string): string {
  return `
    export const handler = (request, response) => {
      if (request.url === '/stream') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: ${version}\\n\\n');
      } else request.resume().on('end', () => response.end(${JSON.stringify(version)}));
    };`;
}

interface Site {
  readonly server: Tricorn;
  /** In its place: whoever reads it at that moment finds half of it, or nothing. */
  write(file: string, text: string): void;
  /** One event, and nobody finds half of it, however slow the machine is. */
  save(file: string, text: string): void;
  path(file: string): string;
  version(): Promise<string>;
  /** Resolves when new code serves for the `count`-th time. */
  reloaded(count: number): Promise<unknown>;
  reloads(): number;
  /** Resolves when a reload has come by which this version is served: on a slow machine one save may be two reloads. */
  serves(version: string): Promise<void>;
}

export function develops(mode: Mode): void {
  const start: Start = async (t, flags = [], files = {}) => {
    const folder = t.testdir({
      ...files,
      'app.mjs': appOf('one'),
      data: { 'rows.db': '' },
      node_modules: { x: { 'index.js': '' } },
    });
    const all = [...modes[mode], '--dev=reload', '--no-access-log', ...flags];
    const server = await startTricorn(t, 'app.mjs', all, { cwd: folder });
    const path = (file: string): string => join(folder, file);
    const version = async (): Promise<string> => (await get(server.url)).body;
    const reloads = (): number => server.lines.filter(({ msg }) => RELOADED.test(msg)).length;
    return {
      server,
      write: (file, text) => writeFileSync(path(file), text),
      save: (file, text) => {
        writeFileSync(path(`${file}.tmp`), text);
        renameSync(path(`${file}.tmp`), path(file));
      },
      path,
      version,
      reloaded: (count) => server.count(RELOADED, count),
      reloads,
      serves: async (wanted) => {
        let count = reloads();
        do await server.count(RELOADED, (count += 1));
        while ((await version()) !== wanted);
      },
    };
  };
  saves(start);
  mistakes(start, loops[mode]);
  ignores(start);
  connections(start);
  many(start);
}

type Start = (t: Test, flags?: readonly string[], files?: Readonly<Record<string, string>>) => Promise<Site>;

/** Without emptying it first: a text of the same length. */
function overwrite(path: string, text: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, text);
  closeSync(fd);
}

function saves(start: Start): void {
  t.test('what is saved is served, however the editor saves it, and what it imports from a new folder', async (t) => {
    const { server, write, path, version, serves } = await start(t);
    await server.line(/^Watching .* \(2 folders\)$/);
    t.equal(await version(), 'one');
    overwrite(path('app.mjs'), appOf('two'));
    await serves('two');
    t.ok(server.lines.some(({ msg }) => msg === 'Changed: app.mjs'));

    write('app.mjs.new', appOf('three'));
    renameSync(path('app.mjs.new'), path('app.mjs'));
    await serves('three');
    t.pass('a file that is put in its place');

    renameSync(path('app.mjs'), path('app.mjs~'));
    write('app.mjs', appOf('four'));
    rmSync(path('app.mjs~'));
    await serves('four');
    t.pass('a file that was moved away before');

    mkdirSync(path('lib/deep'), { recursive: true });
    write('lib/deep/own.mjs', "export { handler } from './other.mjs';");
    write('lib/deep/other.mjs', appOf('five'));
    write('app.mjs', "export { handler } from './lib/deep/own.mjs';");
    await serves('five');
    t.pass('files in new folders');
    write('lib/deep/other.mjs', appOf('six'));
    await serves('six');
    t.pass('and those are watched');
  });
}

/** By file: what is wrong in it, and what the log shows of it. */
const mistaken: Readonly<Record<string, { readonly text: string; readonly shows: RegExp }>> = {
  'broken.mjs': {
    text: 'const fine = 1;\n\nexport const handler = () => {;\n// end\n',
    shows: /broken\.mjs:5:1\n {2}3 \| export .*\n {2}4 \| \/\/ end\n> 5 \|\n {4}\| \^\n/,
  },
  'broken.cjs': {
    text: 'const fine = 1;\nconst b = {;\n',
    shows: /broken\.cjs:2:12\n {2}1 \| const fine = 1;\n> 2 \| const b = \{;\n {4}\| {12}\^\n/,
  },
  'broken.mts': {
    text: 'const a: number = 1;\nconst b: = 3;\nexport const handler = () => {};\n',
    shows: /broken\.mts:2:10\n {2}1 \| const a.*\n> 2 \| const b: = 3;\n {4}\| {10}\^\n {2}3 \| /,
  },
  'broken.json': {
    text: '{\n  "a": 1,\n  "b": \n}\n',
    shows: /broken\.json:4:1\n(.*\n)*> 4 \| \}\n {4}\| \^\n/,
  },
  'throws.mjs': {
    text: "export const a = 1;\nthrow new Error('not today');\n",
    shows: /throws\.mjs:2:7\n(.*\n)*> 2 \| throw new Error.*\n {4}\| {7}\^\n[^]*not today/,
  },
};

/** @param importers how many import the app */
function mistakes(start: Start, importers: number): void {
  t.test(
    'a mistake is shown with the lines around it, the last good version serves on, the next one is taken',
    async (t) => {
      const files = Object.fromEntries(Object.entries(mistaken).map(([file, { text }]) => [file, text]));
      const { server, save, version, reloaded } = await start(t, [], files);
      let failed = 0;
      for (const [file, { shows }] of Object.entries(mistaken)) {
        const attributes = file.endsWith('.json') ? " with { type: 'json' }" : '';
        save('app.mjs', `import './${file}'${attributes}; ${appOf('broken')}`);
        failed += 1;
        await server.count(FAILED, failed);
        t.match(server.lines.findLast(({ msg }) => FAILED.test(msg))?.stack, shows, file);
        t.equal(await version(), 'one', file);
      }
      save('app.mjs', appOf('two'));
      await reloaded(1);
      t.equal(await version(), 'two');
    },
  );

  t.test('code that hangs at import waits for no boot_timeout: the next save takes its place', async (t) => {
    for (const hang of ['await new Promise(() => setInterval(() => {}, 1000));', 'for (;;);']) {
      const { server, save, version, reloads } = await start(t, ['--boot-timeout=600', '--limit-time-cpu=0']);
      save('app.mjs', `import { writeSync } from 'node:fs'; writeSync(1, '{"msg":"hangs"}\\n'); ${hang}`);
      // All of them: one that imports only now would find the next version.
      await server.count(/^hangs$/, importers);
      const reloaded = server.line(RELOADED);
      // Saved again and again until it boots for long.
      for (let saves = 1; reloads() === 0; saves += 1) {
        save('app.mjs', appOf('two'));
        await Promise.race([server.count(/^Changed/, saves + 1), reloaded]);
      }
      t.equal(await version(), 'two');
      t.match(
        server.lines.find(({ msg }) => FAILED.test(msg)),
        { code: 'TRC_SUPERSEDED' },
      );
    }
  });
}

function ignores(start: Start): void {
  t.test('node_modules, what watch_ignore names and what editors write beside a file change nothing', async (t) => {
    const { server, write, save, version, reloaded, reloads } = await start(t, [
      '--watch-ignore=data/*.db',
      '--pidfile=a.pid',
    ]);
    write('node_modules/x/index.js', 'new');
    write('data/rows.db', 'new');
    write('.app.mjs.swp', 'new');
    write('a.pid.1', 'new');
    // One that counts shows that the others have been seen: they came before it.
    save('app.mjs', appOf('two'));
    await reloaded(1);
    t.equal(await version(), 'two');
    save('data/template.html', 'new');
    await reloaded(2);
    const changed = server.lines.filter(({ msg }) => msg.startsWith('Changed'));
    t.same(
      changed.map(({ msg }) => msg),
      ['Changed: app.mjs', 'Changed: data/template.html'],
    );
    t.equal(reloads(), 2);
  });
}

function connections(start: Start): void {
  t.test('a request in flight is answered by old code, one on a connection that was kept by new code', async (t) => {
    const { server, save, reloaded } = await start(t);
    const held = await HeldRequest.begin(server.url);
    const kept = await RawConnection.open(server.port);
    t.match(await kept.get('/'), /one$/);
    const stream = httpRequest(`${server.url}/stream`, { agent: false }).end();
    const [streamed] = (await once(stream, 'response')) as [IncomingMessage];
    const cut = new Promise((resolve) => streamed.on('error', resolve).resume());
    save('app.mjs', appOf('two'));
    await reloaded(1);
    await kept.closed;
    await cut;
    t.equal((await held.finish()).body, 'one');
    await server.line(/^Generation 1 has ended$/);
  });

  t.test(
    'a client with a pool of connections, and one without, ask all the time while new code is saved',
    async (t) => {
      const { server, save, reloaded } = await start(t);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      t.teardown(() => agent.destroy());
      const failures: unknown[] = [];
      const asking = [agent, false as const].map(async (agent) => {
        let last = '';
        while (last !== 'version 5') {
          const request = httpRequest(server.url, { agent }).end();
          const answer = await answerOf(request).catch((error: unknown) => {
            // Of a connection that it has kept, every client asks again.
            if (!request.reusedSocket) failures.push(error);
          });
          last = answer?.body ?? last;
        }
        return last;
      });
      for (let number = 1; number <= 5; number += 1) {
        save('app.mjs', appOf(`version ${number}`));
        await reloaded(number);
      }
      t.same(await Promise.all(asking), ['version 5', 'version 5']);
      t.same(failures, []);
    },
  );
}

function many(start: Start): void {
  t.test('20 saves at once: the last version is served, and no process is left behind', async (t) => {
    const { server, save, version } = await start(t);
    for (let number = 1; number <= 20; number += 1) {
      save('app.mjs', appOf(`version ${number}`));
      // Each is an event of its own, and some of them come while a reload is under way.
      await get(server.url);
    }
    while ((await version()) !== 'version 20') await new Promise((resolve) => setImmediate(resolve));
    const pids = server.workers();
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    await Promise.all(pids.map(gone));
    // On a slow machine each save is a burst of its own, which looks as if the app wrote itself; or one boots for long.
    const isOfSlow = ({ msg, code }: LogLine): boolean =>
      msg.endsWith(' name it in watch_ignore') || code === 'TRC_SUPERSEDED';
    t.strictSame(
      server.lines.filter((line) => line.level >= 40 && !isOfSlow(line)),
      [],
    );
  });
}
