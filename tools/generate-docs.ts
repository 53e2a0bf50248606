/**
 * Writes the parts of the docs that are tables in the code, and the validator that ajv makes of the settings
 * (`npm run docs`). With --check nothing is written, and the exit code is 1 when a file is not what the code says
 * (`npm run docs:check`).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { format } from 'oxfmt';
import { renderErrorsDoc } from '../src/config/error-docs.ts';
import { renderSettingsDoc } from '../src/config/help.ts';
import { renderValidators } from '../src/config/schema.ts';
import {
  renderCommandTable,
  renderExitCodes,
  renderJobCommandTable,
  renderJobExitCodes,
} from '../src/control/describe.ts';
import { renderSignals } from '../src/supervisor/signals.ts';

interface Row {
  /** Path from the root of the repository. */
  readonly file: string;
  /** Yields the text; the formatter of the repository puts it in shape. */
  readonly render: () => string;
  /** Replaces only what stands between `<!-- NAME -->` and `<!-- /NAME -->`; without it, the whole file. */
  readonly region?: string;
}

const rows: readonly Row[] = [
  { file: 'src/config/generated/validators.ts', render: renderValidators },
  { file: 'docs/settings.md', render: renderSettingsDoc },
  { file: 'docs/errors.md', render: renderErrorsDoc },
  { file: 'docs/control.md', render: renderCommandTable, region: 'commands' },
  { file: 'docs/control.md', render: renderJobCommandTable, region: 'job-commands' },
  { file: 'docs/control.md', render: renderExitCodes, region: 'exit-codes' },
  { file: 'docs/control.md', render: renderJobExitCodes, region: 'job-exit-codes' },
  { file: 'README.md', render: renderSignals, region: 'signals' },
];

const root = new URL('../', import.meta.url);
const stale = await generate(process.argv.includes('--check'));
if (stale.length > 0) {
  console.error(`Not what the code says: ${stale.join(', ')}. Run \`npm run docs\` and commit the result.`);
  process.exitCode = 1;
}

/** One file after the other: several regions may stand in one file. Returns what was stale and, in a check, still is. */
async function generate(check: boolean): Promise<string[]> {
  const outdated: string[] = [];
  for (const row of rows) {
    const path = new URL(row.file, root);
    const before = await read(path);
    const after = await formatted(row.file, row.region === undefined ? row.render() : withRegion(before, row));
    if (before === after) continue;
    if (check) outdated.push(row.file);
    else await writeFile(path, after);
  }
  return outdated;
}

function withRegion(text: string, { file, region, render }: Row): string {
  const [open, close] = [`<!-- ${region} -->`, `<!-- /${region} -->`];
  const start = text.indexOf(open);
  const end = text.indexOf(close);
  if (start === -1 || end < start) throw new Error(`${file} needs the lines ${open} and ${close}, in this order`);
  return `${text.slice(0, start + open.length)}\n\n${render().trim()}\n\n${text.slice(end)}`;
}

async function formatted(file: string, text: string): Promise<string> {
  const options = JSON.parse(await read(new URL('.oxfmtrc.json', root)));
  const { code, errors } = await format(file, text, options);
  if (errors.length > 0) throw new Error(`${file}: ${errors.map(({ message }) => message).join('; ')}`);
  return code;
}

/** A file that is not there yet is as good as an empty one. */
async function read(path: URL): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}
