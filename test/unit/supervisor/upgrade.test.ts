import t from 'tap';
import { whyNot, type Circumstances } from '../../../src/supervisor/upgrade.ts';

const usual: Circumstances = { pid: 77, ppid: 76, init: 'systemd', config: { stop_after_init: false, test_file: '' } };

t.test('a service can be upgraded, also as a child of process 1', async (t) => {
  t.equal(whyNot(usual), undefined);
  t.equal(whyNot({ ...usual, ppid: 1 }), undefined);
  t.equal(whyNot({ ...usual, ppid: 1, init: '' }), undefined, 'where the system does not tell');
  t.equal(whyNot({ ...usual, init: 'tini' }), undefined, 'what something else has started, that ends by its own rules');
});

t.test('not what the container ends with', async (t) => {
  t.match(whyNot({ ...usual, pid: 1, ppid: 0, init: 'node' }), /^this is process 1, .*docs\/reload\.md/);
  for (const init of ['tini', 'docker-init', 'dumb-init', 'catatonit']) {
    t.match(whyNot({ ...usual, ppid: 1, init }), new RegExp(`^${init}, process 1, would end the container`));
  }
});

t.test('not what is to end by itself', async (t) => {
  t.match(whyNot({ ...usual, config: { stop_after_init: true, test_file: '' } }), /stop_after_init/);
  t.match(whyNot({ ...usual, config: { stop_after_init: false, test_file: '/t.ts' } }), /test_file/);
});
