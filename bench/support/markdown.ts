/** Reports as Markdown, and their place in a page of docs/. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, type FormatConfig } from 'oxfmt';

export type Row = readonly string[];

/** The first column is text, the others are figures. */
export function table(heads: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(' | ')} |`;
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'));
  return [heads, rule, ...rows].map(line).join('\n');
}

/** Replaces what stands between `<!-- mark -->` and `<!-- /mark -->`. @throws Error where the page has them not */
export async function publish(page: URL, mark: string, text: string): Promise<void> {
  const name = basename(fileURLToPath(page));
  const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const old = await readFile(page, 'utf8');
  const [start, end] = [old.indexOf(open), old.indexOf(close)];
  if (start === -1 || end < start) throw new Error(`docs/${name} needs the lines ${open} and ${close}, in this order`);
  const next = `${old.slice(0, start + open.length)}\n\n${text}\n\n${old.slice(end)}`;
  const options = JSON.parse(await readFile(new URL('../../.oxfmtrc.json', import.meta.url), 'utf8')) as FormatConfig;
  const { code, errors } = await format(name, next, options);
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('; '));
  await writeFile(page, code);
}
