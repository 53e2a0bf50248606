// Runs after `npm ci` in the checkout. tap needs its plugin set built once; an install without
// devDependencies (`npm ci --omit=dev`) has no tap and nothing to prepare. `npm pack` runs it too, where a
// rebuild would pull the plugins from under the test run that packs.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const packing = ['pack', 'publish'].includes(process.env.npm_command);
const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url));
if (!packing && existsSync(tap)) {
  const { status } = spawnSync(tap, ['build'], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
