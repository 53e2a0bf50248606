import t from 'tap';
import { canarySize, parseCanary } from '../../../src/canary/share.ts';
import { load } from '../config/support.ts';

t.test('a share and a time', async (t) => {
  t.same(parseCanary('10%,30s'), { share: 0.1, seconds: 30 });
  t.same(parseCanary(' 5 % , 2m '), { share: 0.05, seconds: 120 });
  t.same(parseCanary('50%,500ms'), { share: 0.5, seconds: 0.5 });
  t.same(parseCanary('1%,1.5'), { share: 0.01, seconds: 1.5 });
});

t.test('what is none, the configuration refuses, and says what would be right', async (t) => {
  for (const text of [
    '10%',
    '10',
    '30s',
    '10,30s',
    '0%,30s',
    '51%,30s',
    '100%,1s',
    '10%,0s',
    '10%,-1s',
    '10%,x',
    '10%,25h',
  ])
    t.equal(parseCanary(text), undefined, text);
  const folder = t.testdir({ 'app.ts': '' });
  t.throws(() => load(folder, { argv: ['app.ts', '--canary=10'] }), {
    message: /--canary=10: must be a share from 1% to 50% and a time, such as 10%,30s, or empty for none/s,
  });
  t.equal(load(folder, { argv: ['app.ts', '--canary='] }).config.canary, '');
});

t.test('at least one worker, about that share of all that serve, never more than there will be', async (t) => {
  t.equal(canarySize(0.1, { old: 4, wanted: 4 }), 1, '1 beside 4');
  t.equal(canarySize(0.1, { old: 18, wanted: 18 }), 2, '2 of 20');
  t.equal(canarySize(0.5, { old: 4, wanted: 4 }), 4);
  t.equal(canarySize(0.5, { old: 8, wanted: 2 }), 2);
  t.equal(canarySize(0.01, { old: 1, wanted: 1 }), 1);
});
