/** Ini files for a test's own folder. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

type Section = Readonly<Record<string, string>>;

/** The flags that read an ini with these sections: `{ app: {...} }` is how options are handed to the app. */
export function withIni(t: Test, sections: Readonly<Record<string, Section>>): string[] {
  const lines = Object.entries(sections).flatMap(([name, section]) => [
    `[${name}]`,
    ...Object.entries(section).map(([key, value]) => `${key} = ${value}`),
  ]);
  const file = join(folderOf(t), 'given.ini');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return ['-c', file];
}

const made = new WeakSet<Test>();

/** The test's own folder, which a second t.testdir() would empty. */
export function folderOf(t: Test): string {
  if (made.has(t)) return t.testdirName;
  made.add(t);
  return t.testdir();
}

/** A folder whose path is short enough for a unix socket in it, which t.testdir()'s often is not. */
export function shortFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'trc-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
