/** Compiles Tricorn and the targets into a temporary folder: what npm publishes is measured, and never a stale dist/. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = fileURLToPath(new URL('../../', import.meta.url));

export interface Build {
  readonly dir: string;
  remove(): void;
}

/** The folder has the package's layout: bin/, dist/, package.json, node_modules. @throws Error what tsc said */
function build(): Build {
  const dir = mkdtempSync(join(tmpdir(), 'tricorn-bench-'));
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    compile(dir);
    mkdirSync(join(dir, 'bin'));
    for (const file of ['bin/tricorn.js', 'package.json']) cpSync(join(root, file), join(dir, file));
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  } catch (error) {
    remove();
    throw error;
  }
  return { dir, remove };
}

/** A build that is removed with this process, also when that is interrupted. @param atExit ends what was started */
export function buildUntilExit(atExit: () => void): Build {
  const built = build();
  process.on('exit', () => {
    atExit();
    built.remove();
  });
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  return built;
}

function compile(dir: string): void {
  const project = join(dir, 'tsconfig.json');
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.build.json'),
      // The targets, too: run by type stripping they would need 17 MB more than Tricorn.
      include: ['src', 'bin', 'bench/targets'].map((folder) => join(root, folder)),
      compilerOptions: {
        rootDir: root,
        outDir: join(dir, 'dist'),
        declaration: false,
        isolatedDeclarations: false,
        typeRoots: [join(root, 'node_modules/@types')],
      },
    }),
  );
  const tsc = join(root, 'node_modules/.bin/tsc');
  const { status, stdout, stderr, error } = spawnSync(tsc, ['-p', project], { encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`tsc failed:\n${stdout}${stderr}`);
}
