import t from 'tap';
import type { ToWorker } from '../../../src/protocol.ts';
import type { MemberState } from '../../../src/roster/plan.ts';
import { Crew, type CrewOptions } from '../../../src/supervisor/crew.ts';

/** A worker that is ready, and says how many jobs there are. */
class Member {
  readonly jobs: number;
  state: MemberState = 'ready';
  readonly told: number[] = [];
  readonly sent: ToWorker[] = [];
  readonly answer = Promise.withResolvers<void>();

  constructor(jobs: number) {
    this.jobs = jobs;
  }

  send(message: ToWorker): void {
    this.sent.push(message);
  }

  publish(since: number): Promise<void> {
    this.told.push(since);
    return this.answer.promise;
  }
}

interface Staged {
  readonly crew: Crew;
  readonly members: Member[];
  readonly others: Member[];
  /** As `tricorn reload --live` does. */
  adjust(most: number): void;
}

function stage({ http = true, most = 2, mode = 'prefork', isCheck = false, mayHaveHad = false }): Staged {
  let config = { http_enable: http, max_cron_threads: most };
  const [members, others]: [Member[], Member[]] = [[], []];
  const options: CrewOptions = {
    config: () => config,
    mode: () => mode as ReturnType<CrewOptions['mode']>,
    isCheck,
    mayHaveHad,
    members,
    others: () => others,
  };
  const crew = new Crew(options);
  const adjust = (max_cron_threads: number): void => {
    config = { ...config, max_cron_threads };
    crew.adjust({ max_cron_threads });
  };
  return { crew, members, others, adjust };
}

/** After a worker that serves HTTP has said how many jobs there are. */
function heard(jobs: number, options: Parameters<typeof stage>[0]): Staged {
  const staged = stage(options);
  staged.others.push(new Member(jobs));
  staged.crew.hear();
  return staged;
}

t.test('none before a worker has said that there are jobs', async (t) => {
  t.equal(stage({}).crew.size, 0);
  t.equal(heard(0, {}).crew.size, 0);
  const { crew, others } = heard(1, {});
  t.equal(crew.size, 2);
  others.pop();
  crew.hear();
  t.equal(crew.size, 2, 'what was said stays');
});

t.test('without HTTP there are some until one of them says that there are no jobs', async (t) => {
  const { crew, members } = stage({ http: false });
  t.equal(crew.size, 2);
  members.push(new Member(0));
  crew.hear();
  t.equal(crew.size, 0);
});

t.test('processes, or in threaded mode threads of one', async (t) => {
  for (const [mode, size, threads] of [
    ['prefork', 3, 0],
    ['evented', 3, 0],
    ['threaded', 1, 3],
  ] as const) {
    const { crew } = heard(5, { mode, most: 3 });
    t.strictSame([crew.size, crew.threads], [size, threads], mode);
  }
});

t.test('none where none are wanted, and in a check', async (t) => {
  for (const options of [{ most: 0 }, { isCheck: true }, { isCheck: true, http: false }]) {
    const { crew, others } = heard(1, { ...options, mayHaveHad: true });
    t.equal(crew.size, 0);
    await crew.publish();
    t.strictSame(others[0]?.told, []);
  }
});

t.test('when its generation serves, all of them are told since when, and those that start later know it', async (t) => {
  const { crew, members, others } = heard(1, {});
  members.push(new Member(1), new Member(1));
  t.equal(crew.since, undefined);
  const published = crew.publish(5);
  t.equal(crew.since, 5);
  t.strictSame(
    [...members, ...others].map(({ told }) => told),
    [[5], [5], []],
  );
  for (const { answer } of members) answer.resolve();
  await published;
});

t.test('without jobs, one that serves tells the store, if the store may have some that were', async (t) => {
  const none = heard(0, {});
  await none.crew.publish(5);
  t.strictSame(none.others[0]?.told, []);
  const { crew, others } = heard(0, { mayHaveHad: true });
  others.push(new Member(0));
  void crew.publish(5);
  t.strictSame(
    others.map(({ told }) => told),
    [[5], []],
  );
});

t.test('without HTTP, those that have no jobs stay until one of them has told the store', async (t) => {
  const { crew, members } = stage({ http: false, mayHaveHad: true });
  members.push(new Member(0), new Member(0));
  crew.hear();
  t.strictSame([crew.size, crew.wanted], [0, 2]);
  const published = crew.publish(5);
  t.equal(crew.wanted, 2);
  members[0]?.answer.resolve();
  await published;
  t.equal(crew.wanted, 0);
  t.strictSame(members[1]?.told, []);
});

t.test('those that die before it is published are replaced, and never more than replaced', async (t) => {
  const { crew, members } = heard(1, { most: 2 });
  members.push(new Member(1), new Member(1));
  void crew.publish(5);
  for (const member of members) member.state = 'draining';
  t.equal(crew.wanted, 2);
  members.push(new Member(1), new Member(1));
  for (const member of members) member.state = 'draining';
  t.equal(crew.wanted, 2, 'however many have died');
});

t.test('an app had jobs when the store is its own, or a generation before had some', async (t) => {
  t.notOk(heard(0, {}).crew.mayHaveHad);
  t.ok(heard(1, {}).crew.mayHaveHad);
  t.ok(heard(0, { mayHaveHad: true }).crew.mayHaveHad);
});

t.test('another number, live: processes come and go, threads are told; none is published anew', async (t) => {
  const { crew, members, adjust } = heard(1, {});
  members.push(new Member(1));
  void crew.publish(5);
  adjust(3);
  t.same(crew.population, { workers: 3, threads: 0 });
  t.same(members[0]?.sent, [{ type: 'live', settings: { max_cron_threads: 3, threads: 1 } }]);
  t.same(new Set(members[0]?.told), new Set([5]), 'since when it serves');
  adjust(0);
  t.equal(crew.size, 0);
  const threaded = heard(1, { mode: 'threaded' });
  threaded.members.push(new Member(1));
  threaded.adjust(3);
  t.same(threaded.crew.population, { workers: 1, threads: 3 });
  t.same(threaded.members[0]?.sent, [
    { type: 'live', settings: { max_cron_threads: 3, threads: 3 } },
    { type: 'threads', count: 3 },
  ]);
  threaded.adjust(0);
  t.equal(threaded.crew.size, 0);
  t.equal(threaded.members[0]?.sent.length, 3, 'its threads end with it');
});

t.test('where there were to be none until now, the store is told of an app without jobs', async (t) => {
  const { crew, others, adjust } = heard(0, { most: 0, mayHaveHad: true });
  await crew.publish(5);
  t.strictSame(others[0]?.told, []);
  adjust(2);
  t.strictSame(others[0]?.told, [5]);
});
