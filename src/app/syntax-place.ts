/**
 * File, line and source of a syntax error in an ES module. Node knows them, but shows them only where the error ends the
 * process: so a process is ended with it, which links the module again and runs nothing of it.
 */
import { spawnSync } from 'node:child_process';
import diagnostics from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { cut } from '../config/show.ts';

const LINK_MS = 10_000;

/** What Node publishes of an import() or require() that failed. */
interface FailedImport {
  readonly error: unknown;
  /** Of import(): what was asked for, and by whom. */
  readonly url?: string;
  readonly parentURL?: string;
  /** The same of require(). */
  readonly id?: string;
  readonly parentFilename?: string;
}

/** By error, what was imported when it came: the syntax error is in there, or in what that imports. */
const imports = new WeakMap<Error, FailedImport>();

for (const channel of ['tracing:module.import:error', 'tracing:module.require:error']) {
  diagnostics.subscribe(channel, (message) => {
    const failed = message as FailedImport;
    // The innermost comes first, and is the nearest.
    if (failed.error instanceof SyntaxError && !imports.has(failed.error)) imports.set(failed.error, failed);
  });
}

/** Puts the place before the stack of an error that has none. */
export function addPlace(error: SyntaxError): void {
  const failed = imports.get(error);
  // Those of CommonJS and of TypeScript begin with their place.
  if (failed === undefined || !error.stack?.startsWith('SyntaxError')) return;
  const place = placeIn(failed);
  if (place !== undefined) error.stack = `${place}\n\n${error.stack}`;
}

function placeIn(failed: FailedImport): string | undefined {
  const url = urlOf(failed);
  if (url === undefined) return undefined;
  // All is linked before anything is evaluated, and what is evaluated first ends the process.
  const script = `import 'data:text/javascript,process.exit()'; import ${JSON.stringify(url)};`;
  const args = [...process.execArgv, '--input-type=module', '--eval', script];
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: LINK_MS });
  const { file, source = '' } =
    /^(?<file>(file:|\/).*:\d+)(?<source>\n(.*\n)+?)(?=\nSyntaxError)/m.exec(stderr)?.groups ?? {};
  return (
    file &&
    file +
      source
        .trimEnd()
        .split('\n')
        .map((line) => cut(line))
        .join('\n')
  );
}

function urlOf({ url, parentURL, id, parentFilename }: FailedImport): string | undefined {
  const asked = url ?? id ?? '';
  if (URL.canParse(asked)) return asked;
  const parent = parentURL ?? parentFilename;
  try {
    if (url !== undefined && /^[./]/.test(url)) return new URL(url, parentURL).href;
    return pathToFileURL(createRequire(parent ?? asked).resolve(asked)).href;
  } catch {
    return undefined;
  }
}
