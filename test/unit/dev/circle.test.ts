import t from 'tap';
import { Circle } from '../../../src/dev/circle.ts';

function start(): (what: string, ms: number) => boolean {
  let now = 0;
  const circle = new Circle(() => now);
  return (what, ms) => {
    now += ms;
    const told = circle.changed(what);
    circle.reloaded();
    return told;
  };
}

t.test('the same change soon after each reload is told once', async (t) => {
  const change = start();
  const told = Array.from({ length: 10 }, () => change('data.db', 300));
  t.same(told, [false, false, false, false, true, false, false, false, false, false]);
});

t.test('somebody who saves, slowly or several files in turn, is not told', async (t) => {
  const change = start();
  for (let save = 0; save < 10; save += 1) t.notOk(change('app.ts', 1500));
  for (let save = 0; save < 10; save += 1) t.notOk(change(`file ${save % 2}`, 300));
});
