import { spawn } from 'node:child_process';
import t from 'tap';
import { residentBytes } from '../../../src/limits/resident.ts';
import { source } from '../supervisor/support.ts';

t.test('that of this process', async (t) => {
  t.ok(residentBytes() > 1024 * 1024);
});

t.test('without a free descriptor it is 0, and no error', async (t) => {
  const script = `
    import { openSync } from 'node:fs';
    const { residentBytes } = await import(${source('limits/resident.ts')});
    let refused;
    while (refused === undefined) try { openSync('/dev/null'); } catch ({ code }) { refused = code; }
    process.stdout.write(refused + ' ' + residentBytes());`;
  const node = ['env', '-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '--eval', script];
  const child = spawn('sh', ['-c', 'ulimit -n 64; exec "$0" "$@"', ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  t.equal(output, 'EMFILE 0');
});
