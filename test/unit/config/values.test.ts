import fc from 'fast-check';
import t from 'tap';
import { type Setting, settings } from '../../../src/config/settings.ts';
import {
  describeAllowed,
  parseBoolean,
  parseDuration,
  parseSize,
  showValue,
  toValue,
} from '../../../src/config/values.ts';

t.test('booleans: true, yes, on, 1 and false, no, off, 0 in any case', async (t) => {
  for (const text of ['true', 'yes', 'on', '1', 'TRUE', 'Yes', 'oN']) t.equal(parseBoolean(text), true, text);
  for (const text of ['false', 'no', 'off', '0', 'FALSE', 'No']) t.equal(parseBoolean(text), false, text);
  for (const text of ['', 'y', '2', 'constructor']) t.equal(parseBoolean(text), undefined, text);
});

t.test('durations: seconds with fractions, or with a unit', async (t) => {
  const valid = {
    '0': 0,
    '90': 90,
    '1.5': 1.5,
    '.5': 0.5,
    '500ms': 0.5,
    '30s': 30,
    '2m': 120,
    '1h': 3600,
    '1 H': 3600,
  };
  for (const [text, seconds] of Object.entries(valid)) t.equal(parseDuration(text), seconds, text);
  for (const text of ['', 's', '1d', '1e3', '0x10', '1..5', '1 2', 'ten'])
    t.equal(parseDuration(text), undefined, text);
});

t.test('a duration means the same in every unit', async () => {
  fc.assert(
    fc.property(fc.nat({ max: 1000 }), (n) => {
      const same = [`${n}m`, `${n * 60}s`, `${n * 60}`, `${n * 60_000}ms`].map(parseDuration);
      return new Set(same).size === 1 && parseDuration(`${n}h`) === n * 3600;
    }),
  );
});

t.test('sizes: bytes, or binary units; MB means two things and is refused', async (t) => {
  const valid = {
    '0': 0,
    '512B': 512,
    '512KiB': 524_288,
    '1MiB': 1_048_576,
    '2GiB': 2_147_483_648,
    '1k': 1024,
    '1.5m': 1_572_864,
    '1G': 2 ** 30,
  };
  for (const [text, bytes] of Object.entries(valid)) t.equal(parseSize(text), bytes, text);
  for (const text of ['', 'k', '1MB', '1kb', '1TiB', '1e3']) t.equal(parseSize(text), undefined, text);
});

t.test('-0 is 0', async (t) => {
  t.ok(Object.is(toValue(settings.workers, '-0', 4), 0));
});

t.test('auto is the available parallelism, in any case', async (t) => {
  t.equal(toValue(settings.threads, 'auto', 4), 4);
  t.equal(toValue(settings.workers, ' AUTO ', 4), 4);
  t.equal(toValue(settings.backlog, 'auto', 4), 'auto', 'but not for every integer');
});

t.test('lists: commas, blanks, and the several texts of key[]', async (t) => {
  const list = settings.proxy_trust;
  t.same(toValue(list, 'loopback, ::1\t10.0.0.0/8', 4), ['loopback', '::1', '10.0.0.0/8']);
  t.same(toValue(list, ['loopback', '::1,10.0.0.1'], 4), ['loopback', '::1', '10.0.0.1']);
  t.same(toValue(list, '', 4), []);
});

t.test('what `ini` made of a value is taken for what was written', async (t) => {
  t.equal(toValue(settings.evented, true, 4), true);
  t.equal(toValue(settings.http_interface, true, 4), 'true', 'a host may be called "true"');
  t.equal(toValue(settings.http_port, 80, 4), 80);
  t.equal(toValue(settings.http_port, null, 4), null);
  t.same(toValue(settings.http_port, ['80'], 4), ['80']);
  t.same(toValue(settings.proxy_trust, { a: 1 }, 4), { a: 1 });
});

t.test('what is allowed is said for every setting', async (t) => {
  for (const [key, setting] of Object.entries<Setting>(settings)) t.match(describeAllowed(setting), /\w/, key);
  t.equal(describeAllowed(settings.http_port), 'an integer from 0 to 65535');
  t.equal(describeAllowed(settings.workers), 'an integer from 0 to 1024, or auto');
  t.equal(describeAllowed({ ...settings.http_interface, format: undefined } as unknown as Setting), 'text');
});

t.test('a value in a message is one line, not endless, and no secret', async (t) => {
  t.equal(showValue(undefined, '99999'), '99999');
  t.equal(showValue(undefined, 'a\nb'), String.raw`"a\nb"`);
  t.equal(showValue(undefined, ['a']), '["a"]');
  t.equal(showValue(undefined, 'x'.repeat(1000)).length, 120);
  t.equal(showValue({ ...settings.app, secret: true }, 'hunter2'), '********');
});
