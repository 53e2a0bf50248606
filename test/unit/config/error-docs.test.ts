import { readFileSync } from 'node:fs';
import { format } from 'oxfmt';
import t from 'tap';
import { renderErrorsDoc } from '../../../src/config/error-docs.ts';
import { catalogue } from '../../../src/errors.ts';

const root = new URL('../../../', import.meta.url);
const doc = readFileSync(new URL('docs/errors.md', root), 'utf8');

t.test('docs/errors.md is what the catalogue says: else run `npm run docs`', async (t) => {
  const options = JSON.parse(readFileSync(new URL('.oxfmtrc.json', root), 'utf8'));
  const { code } = await format('docs/errors.md', renderErrorsDoc(), options);
  t.equal(doc, code);
});

t.test('catalogue and docs hold the same codes, each with its outcome and hint', async (t) => {
  const sections = Array.from(doc.matchAll(/^## (TRC_\w+)$/gm), (match) => match[1]);
  t.same(sections, Object.keys(catalogue));
  for (const [code, row] of Object.entries<{ exit?: number; status?: number; hint: string }>(catalogue)) {
    const section = doc.split(`## ${code}\n`)[1]?.split('\n## ')[0] ?? '';
    if (row.exit !== undefined) t.match(section, `Exit code ${row.exit}`, code);
    if (row.status !== undefined) t.match(section, `HTTP status ${row.status}`, code);
    t.ok(section.includes(row.hint), code);
  }
});
