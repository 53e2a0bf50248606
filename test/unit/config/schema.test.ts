import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { format } from 'oxfmt';
import t from 'tap';
import { formats } from '../../../src/config/formats.ts';
import { validators } from '../../../src/config/generated/validators.ts';
import { renderValidators, schemaOf } from '../../../src/config/schema.ts';
import { settingKeys, settings } from '../../../src/config/settings.ts';

const root = new URL('../../../', import.meta.url);

t.test('the generated validators are what ajv makes of the table: else run `npm run docs`', async (t) => {
  const path = 'src/config/generated/validators.ts';
  const options = JSON.parse(readFileSync(new URL('.oxfmtrc.json', root), 'utf8'));
  const { code } = await format(path, renderValidators(), options);
  t.equal(readFileSync(new URL(path, root), 'utf8'), code);
  t.notMatch(code, /require\(|from 'ajv/, 'they need no ajv when they run');
});

t.test('they take and refuse the same as ajv itself', async (t) => {
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
  for (const key of settingKeys) {
    const ajv = new Ajv({ formats: { ...formats } }).compile(schemaOf(settings[key]));
    for (const value of values) {
      t.equal(validators[key]?.(value), ajv(value), `${key} = ${JSON.stringify(value)}`);
    }
  }
  t.same(Object.keys(validators), settingKeys);
});
