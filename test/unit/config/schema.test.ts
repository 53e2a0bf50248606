import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { format } from 'oxfmt';
import t from 'tap';
import { formats } from '../../../src/config/formats.ts';
import { validate } from '../../../src/config/generated/validator.ts';
import { buildSchema, renderValidator } from '../../../src/config/schema.ts';
import { settingKeys } from '../../../src/config/settings.ts';

const root = new URL('../../../', import.meta.url);

t.test('the generated validator is what ajv makes of the table: else run `npm run docs`', async (t) => {
  const path = 'src/config/generated/validator.ts';
  const options = JSON.parse(readFileSync(new URL('.oxfmtrc.json', root), 'utf8'));
  const { code } = await format(path, renderValidator(), options);
  t.equal(readFileSync(new URL(path, root), 'utf8'), code);
  t.notMatch(code, /require\(|from 'ajv/, 'it needs no ajv when it runs');
});

t.test('it takes and refuses the same as ajv itself', async (t) => {
  const ajv = new Ajv({ formats: { ...formats } }).compile(buildSchema());
  const values = [
    'x',
    '',
    'a\0b',
    '::1',
    0,
    -1,
    1.5,
    1e9,
    NaN,
    true,
    null,
    [],
    ['loopback'],
    ['x'],
    {},
    'info',
    'json',
  ];
  for (const key of [...settingKeys, 'unknown']) {
    for (const value of values) {
      t.equal(validate({ [key]: value }), ajv({ [key]: value }), `${key} = ${JSON.stringify(value)}`);
    }
  }
});
