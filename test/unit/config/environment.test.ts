import t from 'tap';
import { configFromEnvironment, kubernetesHint, readEnvironment } from '../../../src/config/environment.ts';

t.test('TRICORN_ and the name in capitals', async (t) => {
  const { given, problems, warnings } = readEnvironment(
    { TRICORN_HTTP_PORT: '80', HTTP_PORT: '1', TRICORN_APP: 'a.ts' },
    '/work',
  );
  t.match(given, [
    { key: 'http_port', raw: '80', place: 'TRICORN_HTTP_PORT', shown: 'TRICORN_HTTP_PORT = 80', base: '/work' },
    { key: 'app', raw: 'a.ts', origin: 'environment' },
  ]);
  t.same([problems, warnings], [[], []]);
  t.same(readEnvironment({ TRICORN_HTTP_PORT: undefined }, '/').given, []);
});

t.test('old names are accepted with a warning, but not beside the new one', async (t) => {
  const { given, warnings } = readEnvironment({ TRICORN_XMLRPC_PORT: '80' }, '/');
  t.match(given, [{ key: 'http_port', raw: '80' }]);
  t.same(warnings, ['TRICORN_XMLRPC_PORT: TRICORN_XMLRPC_PORT is the old name of TRICORN_HTTP_PORT']);
  t.same(readEnvironment({ TRICORN_HTTP_PORT: '1', TRICORN_XMLRPC_PORT: '2' }, '/').problems, [
    'TRICORN_XMLRPC_PORT: http_port is already given by TRICORN_HTTP_PORT; give it once',
  ]);
});

t.test('an unknown variable is a mistake if a valid name is near, else a warning', async (t) => {
  const env = { TRICORN_WROKERS: '1', TRICORN_CONFIGG: 'x', TRICORN_SHOP_COLOUR: 'x', TRICORN_http_port: '1' };
  const { problems, warnings } = readEnvironment(env, '/');
  t.same(problems, [
    'TRICORN_WROKERS: unknown variable; did you mean TRICORN_WORKERS?',
    'TRICORN_CONFIGG: unknown variable; did you mean TRICORN_CONFIG?',
    'TRICORN_http_port: unknown variable; did you mean TRICORN_HTTP_PORT?',
  ]);
  t.same(warnings, ['TRICORN_SHOP_COLOUR: unknown variable, ignored']);
});

t.test('what Kubernetes and --test-file set is ignored', async (t) => {
  const env = {
    TRICORN_SERVICE_HOST: '10.0.0.1',
    TRICORN_SERVICE_PORT: '80',
    TRICORN_SERVICE_PORT_HTTP: '80',
    TRICORN_PORT: 'tcp://10.0.0.1:80',
    TRICORN_PORT_80_TCP: 'tcp://10.0.0.1:80',
    TRICORN_PORT_80_TCP_PROTO: 'tcp',
    TRICORN_WEB_SERVICE_HOST: '10.0.0.1',
    TRICORN_HTTPS_PORT: 'tcp://10.0.0.1:443',
    TRICORN_HTTPS_PORT_443_TCP_ADDR: '10.0.0.1',
    TRICORN_URL: 'http://127.0.0.1:8069',
    TRICORN_CONFIG: 'x.ini',
  };
  t.same(readEnvironment(env, '/'), { given: [], problems: [], warnings: [] });
  t.match(kubernetesHint('tcp://10.0.0.1:80'), /enableServiceLinks: false/);
  t.equal(kubernetesHint('80'), '');
});

t.test('TRICORN_CONFIG names the file', async (t) => {
  t.equal(configFromEnvironment({ TRICORN_CONFIG: 'x.ini' }), 'x.ini');
  t.equal(configFromEnvironment({}), undefined);
});
