/** The promises that only several processes can show, for an engine. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { folderOf } from '../../support/ini.ts';
import { doubled, ends, gaps, overlaps } from '../../support/machines/lines.ts';
import { Hammer, type Line } from './hammer.ts';

const NAMES = ['a', 'b', 'c'];
/** From the kill of its worker until a job is taken up again, milliseconds. */
const TAKEN_UP_MS = 2000;

/** @param url of a database of the test's own; '' for SQLite */
export function hammerTests(engine: string, url: () => Promise<string>): void {
  const prepare = async (t: Test, workMs: number): Promise<Hammer> => {
    const folder = folderOf(t);
    const data_dir = join(folder, 'data');
    mkdirSync(data_dir);
    return new Hammer(t, folder, { db_url: await url(), data_dir, names: NAMES, workMs });
  };

  t.test(`${engine}: three processes, three jobs each second: no tick is lost, doubled or overlapped`, async (t) => {
    const hammer = await prepare(t, 20);
    await Promise.all([1, 2, 3].map((number) => hammer.start(number)));
    await hammer.until((lines) => ends(lines).length >= 24);
    // Who stops while it acquires a run gives it back; one that has not heard of the stop yet makes another attempt.
    t.ok(hammer.lines().every(({ attempt }) => attempt === 1));
    await hammer.stop();
    const lines = hammer.lines();
    t.same(overlaps(lines), []);
    t.same(doubled(lines), []);
    for (const name of NAMES) t.same(gaps(lines, name), [], `${name} has all of its ticks`);
  });

  t.test(`${engine}: killed in mid-run, a job is taken up within 2 s; every tick is run at least once`, async (t) => {
    const hammer = await prepare(t, 300);
    await Promise.all([1, 2, 3].map((number) => hammer.start(number)));
    const late: number[] = [];
    for (let kills = 0; kills < 4; kills += 1) {
      const number = 1 + (kills % 3);
      const before = hammer.lines().length;
      await hammer.until((lines) => lines.slice(before).some(isBegun(number)));
      await hammer.kill(number);
      const killed = Date.now();
      const open = unfinished(hammer.lines(), number);
      if (open) {
        const isTakenUp = (line: Line): boolean => line.attempt > 1 && keyOf(line) === open;
        await hammer.until((lines) => lines.some(isTakenUp));
        late.push((hammer.lines().find(isTakenUp)?.at ?? Infinity) - killed);
      }
      await hammer.start(number);
    }
    await hammer.until((lines) => NAMES.every((name) => gaps(lines, name).length === 0) && ends(lines).length > 20);
    await hammer.stop();
    const lines = hammer.lines();
    t.same(overlaps(lines), []);
    for (const name of NAMES) t.same(gaps(lines, name), []);
    t.ok(late.length > 0, 'some were killed in mid-run');
    // The best of them: the machine that runs the tests may be busy with anything.
    t.ok(Math.min(...late) <= TAKEN_UP_MS, `taken up after ${late.join(', ')} ms`);
  });
}

const keyOf = ({ name, tick }: { name: string; tick: number }): string => `${name} ${tick}`;

function isBegun(number: number): (line: Line) => boolean {
  return ({ what, worker }) => what === 'begin' && worker === number;
}

/** The tick that the worker has begun and not ended. */
function unfinished(lines: readonly Line[], number: number): string | undefined {
  const last = lines.filter(({ worker }) => worker === number).at(-1);
  return last?.what === 'begin' ? keyOf(last) : undefined;
}
