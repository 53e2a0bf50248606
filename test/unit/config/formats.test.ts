import t from 'tap';
import { formats } from '../../../src/config/formats.ts';

t.test('host: IPv4, IPv6 or a name', async (t) => {
  for (const host of ['0.0.0.0', '::', '::1', 'fe80::1%eth0', 'localhost', 'my_app.internal', 'a.example.']) {
    t.ok(formats.host(host), host);
  }
  for (const host of ['', '*', 'a b', '0.0.0.0:80', '[::1]', 'http://a', '-a', 'a..b', 'a'.repeat(64)]) {
    t.notOk(formats.host(host), host);
  }
  t.notOk(formats.host('none'));
});

t.test('interface: a host, or none', async (t) => {
  t.ok(formats.interface('none'));
  t.ok(formats.interface('::1'));
  t.notOk(formats.interface('a b'));
});

t.test('trust: addresses, CIDR ranges and three names', async (t) => {
  for (const proxy of [
    'loopback',
    'linklocal',
    'uniquelocal',
    '10.0.0.1',
    '10.0.0.0/8',
    '::1',
    'fd00::/8',
    '0.0.0.0/0',
  ]) {
    t.ok(formats.trust(proxy), proxy);
  }
  for (const proxy of ['', 'localhost', '10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', '*']) {
    t.notOk(formats.trust(proxy), proxy);
  }
});

t.test('mode: permissions in octal', async (t) => {
  for (const mode of ['0660', '660', '0777', '000']) t.ok(formats.mode(mode), mode);
  for (const mode of ['', '66', '0668', '1777', '00660', 'rw-rw----', '0o660', '-660'])
    t.notOk(formats.mode(mode), mode);
});

t.test('postgres: a URL of its kind, or none', async (t) => {
  const { postgres } = formats;
  for (const url of ['', 'postgres://host/db', 'postgresql://u:p%40@host:5433/db?sslmode=require'])
    t.ok(postgres(url), url);
  for (const url of ['mysql://host/db', 'host/db', 'postgres:/x', 'postgres://host:port/']) t.notOk(postgres(url), url);
});

t.test('canary: none, or a share and a time', async (t) => {
  for (const canary of ['', '10%,30s', '1%,1', '50%,500ms']) t.ok(formats.canary(canary), canary);
  for (const canary of [' ', '10%', '10,30s', '60%,30s', '10%,0']) t.notOk(formats.canary(canary), canary);
});
