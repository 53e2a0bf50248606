import fc from 'fast-check';
import t from 'tap';
import { didYouMean, editDistance, nearest, question } from '../../../src/config/nearest.ts';

t.test('edits are counted; a swap of neighbours is one', async (t) => {
  t.equal(editDistance('http_port', 'http_port'), 0);
  t.equal(editDistance('http_prot', 'http_port'), 1);
  t.equal(editDistance('htp_port', 'http_port'), 1);
  t.equal(editDistance('hhttp_port', 'http_port'), 1);
  t.equal(editDistance('http_part', 'http_port'), 1);
  t.equal(editDistance('', 'abc'), 3);
});

t.test('the distance is a metric as far as people rely on it', async () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      const longest = Math.max(a.length, b.length);
      return distance === editDistance(b, a) && distance <= longest && (distance === 0) === (a === b);
    }),
  );
});

t.test('one slip in a name leads back to it', async () => {
  const names = ['graceful_timeout', 'http_interface', 'proxy_trust', 'log_level'];
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(), fc.constantFrom('a', 'z', '_'), (name, at, letter) => {
      const index = at % name.length;
      return nearest(name.slice(0, index) + letter + name.slice(index + 1), names) === name;
    }),
  );
});

t.test('case and dashes do not count', async (t) => {
  t.equal(nearest('HTTP-Port', ['backlog', 'http_port']), 'http_port');
});

t.test('what is far away is not suggested', async (t) => {
  t.equal(nearest('colour', ['app', 'workers', 'http_port']), undefined);
  t.equal(nearest('xy', ['ab']), undefined, 'two replaced letters of two');
  t.equal(nearest('TRICORN_WORKER_XY', ['TRICORN_WORKERS'], 2), undefined, 'beyond the limit');
});

t.test('a name of a megabyte is not compared letter by letter', async (t) => {
  const huge = 'x'.repeat(1_000_000);
  t.equal(
    nearest(
      huge,
      Array.from({ length: 100 }, (_, n) => `${huge.slice(0, 100_000)}${n}`),
    ),
    undefined,
  );
});

t.test('words for a message', async (t) => {
  t.equal(didYouMean('http_prot', ['http_port']), '; did you mean http_port?');
  t.equal(didYouMean('warning', ['error', 'warn']), '; did you mean warn?', 'it begins with the right name');
  t.equal(didYouMean('colour', ['http_port']), '');
  t.equal(question(['a', 'b']), '; did you mean a and b?');
});
