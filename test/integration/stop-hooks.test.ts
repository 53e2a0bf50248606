/** `server.onStop(fn)`: hooks in the supervisor run once, after the last worker, each guarded, within a time limit. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fixture, modes, Tricorn } from '../support/tricorn.ts';

const program = fileURLToPath(new URL('../fixtures/embed.ts', import.meta.url));

for (const [mode, flags] of Object.entries(modes)) {
  t.test(mode, async (t) => {
    const journal = join(t.testdir(), 'journal');
    const args = [
      journal,
      fixture('lab.ts'),
      ...flags,
      '--http-interface=127.0.0.1',
      '--http-port=0',
      '--graceful-timeout=0.1',
    ];
    const server = new Tricorn(t, args, { program });
    await server.line(/^Ready/);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    const notes = readFileSync(journal, 'utf8').trim().split('\n');
    t.match(notes, [new RegExp(`^first stopping tricorn: supervisor .${mode}`), 'third']);
    const failures = server.lines.filter(({ msg }) => msg === 'A stop hook of the supervisor failed');
    t.match(failures.map(({ err }) => (err as { message: string }).message).toSorted(), [
      /did not end within \d+ ms/,
      'the second hook fails',
    ]);
  });
}
