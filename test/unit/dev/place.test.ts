import t from 'tap';
import { findPlace } from '../../../src/dev/place.ts';

const files: Readonly<Record<string, string>> = {
  '/srv/app.ts': 'const a: number = 1;\nconst b: = 3;\nexport {};\n',
  '/srv/lib/x.cjs': 'const a = 1;\n\nthrow new Error("no");\n',
  '/srv/c.json': '{\n  "a": 1,\n  "b": \n}\n',
  '/srv/short.json': '{ "a": }',
  '/srv/cut.json': '{\n  "a": 1,\n',
};
const find = (stack: string) => findPlace(stack, { read: (file) => files[file], tricorn: '/opt/tricorn/src/' });
const placeOf = (stack: string) => {
  const { place, rest } = find(stack);
  return place ? [`${place.file}:${place.line}:${place.column}`, rest] : [undefined, rest];
};

t.test('what V8 and the type stripper put before the stack: its file, its line, and the carets', async (t) => {
  const stack = "SyntaxError: Unexpected token ';'\n    at wrapSafe (node:internal/modules/cjs/loader:1:1)";
  t.same(placeOf(`file:///srv/app.ts:2\nconst b: = 3;\n         ^\n\n${stack}`), ['/srv/app.ts:2:10', stack]);
  const stripper = `file:///srv/app.ts:2\nconst a: number = 1;\nconst b: = 3;\n         ^\nexport {};\n\n${stack}`;
  t.same(placeOf(stripper), ['/srv/app.ts:2:10', stack], 'without the lines that come after the carets');
  t.same(placeOf(`file:///srv/app.ts:4\n\n${stack}`), ['/srv/app.ts:4:1', stack], 'an end that comes too early');
  t.equal(placeOf(`/srv/lib/x.cjs:3\nthrow new Error("no");\n^^^^^\n\n${stack}`)[0], '/srv/lib/x.cjs:3:1');
});

t.test("else the innermost frame in the app's own files", async (t) => {
  const stack = [
    "TypeError: Cannot read properties of undefined (reading 'x')",
    '    at JSON.parse (<anonymous>)',
    '    at Plugin.exec (/srv/node_modules/avvio/lib/plugin.js:138:28)',
    '    at load (file:///opt/tricorn/src/app/mount.ts:58:24)',
    '    at async default (file:///srv/app.ts:3:8)',
    '    at /srv/lib/x.cjs:3:7',
  ].join('\n');
  t.same(placeOf(stack), ['/srv/app.ts:3:8', stack]);
  t.equal(
    placeOf(stack.replace('srv/app.ts:3', 'srv/gone.ts:3'))[0],
    '/srv/lib/x.cjs:3:7',
    'of those that can be read',
  );
});

t.test('JSON: where V8 says it, and where it shows what stands around', async (t) => {
  const parse = (name: string): string => {
    try {
      JSON.parse(files[name] ?? '');
    } catch (error) {
      return `SyntaxError: ${name}: ${(error as Error).message}\n    at parse (<anonymous>)`;
    }
    return '';
  };
  t.equal(placeOf(parse('/srv/c.json'))[0], '/srv/c.json:4:1');
  t.equal(placeOf(parse('/srv/short.json'))[0], '/srv/short.json:1:8');
  t.equal(placeOf(parse('/srv/cut.json'))[0], '/srv/cut.json:3:1');
});

t.test('none: the stack stays as it is', async (t) => {
  for (const stack of [
    '',
    'thrown: 1',
    'Error: no\n    at node:internal/x:1:1',
    'file:///srv/gone.ts:1\nx\n^\n\nError',
  ]) {
    t.same(placeOf(stack), [undefined, stack]);
  }
});
