import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readConfigFile } from '../../../src/config/file-source.ts';
import { withIni } from './support.ts';

t.test('without a file there are no settings', async (t) => {
  const source = readConfigFile(undefined, {}, t.testdir());
  t.match(source, { given: [], problems: [], app: {}, readable: true });
});

t.test('what stands there but leads nowhere is reported', async (t) => {
  const folder = t.testdir({});
  symlinkSync('gone.ini', join(folder, 'tricorn.ini'));
  t.same(readConfigFile(undefined, {}, folder).problems, [`tricorn.ini: no such file: ${folder}/tricorn.ini`]);
});

t.test('settings with line, value and folder', async (t) => {
  const folder = withIni(t, '[options]\n\nhttp_port = 80\nevented\nlogfile\n[app]\nhttp_port = 1');
  const { given, app } = readConfigFile(undefined, {}, folder);
  t.same(given, [
    {
      key: 'http_port',
      raw: '80',
      origin: 'file',
      place: 'tricorn.ini:3',
      shown: 'tricorn.ini:3 http_port = 80',
      base: folder,
    },
    { key: 'evented', raw: true, origin: 'file', place: 'tricorn.ini:4', shown: 'tricorn.ini:4 evented', base: folder },
    { key: 'logfile', raw: null, origin: 'file', place: 'tricorn.ini:5', shown: 'tricorn.ini:5 logfile', base: folder },
  ]);
  t.same(app, { http_port: '1' });
});

t.test('unknown settings, written like a flag or with a dot', async (t) => {
  const folder = withIni(t, '[options]\nhttp-port = 80\nhttp.port = 80\nColour = red');
  t.same(readConfigFile(undefined, {}, folder).problems, [
    'tricorn.ini:2 http-port: unknown setting; did you mean http_port?',
    'tricorn.ini:3 http.port: unknown setting; did you mean http_port?',
    'tricorn.ini:4 Colour: unknown setting',
  ]);
});

t.test('a setting under its old and its new name', async (t) => {
  const folder = withIni(t, '[options]\nhttp_port = 80\nxmlrpc_port = 81');
  t.same(readConfigFile(undefined, {}, folder).problems, [
    'tricorn.ini:3 xmlrpc_port: http_port is already given in tricorn.ini:2',
  ]);
});
