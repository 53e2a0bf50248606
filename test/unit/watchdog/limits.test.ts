import t from 'tap';
import { defaultTimeout, realLimitMs, watchLimits } from '../../../src/watchdog/limits.ts';
import { load } from '../config/support.ts';

const config = (...argv: string[]) => load(import.meta.dirname, { argv, needsApp: false }).config;

t.test('seconds become milliseconds, 0 is no limit', async (t) => {
  t.same(watchLimits(config(), 'http'), {
    cpuMs: 60_000,
    realMs: 120_000,
    realSetting: 'limit_time_real',
  });
  t.same(watchLimits(config('--limit-time-cpu=0', '--limit-time-real=0'), 'evented'), {
    cpuMs: Infinity,
    realMs: Infinity,
    realSetting: 'limit_time_real',
  });
});

t.test('cron workers have the same limit, unless they have one of their own', async (t) => {
  t.equal(realLimitMs(config('--limit-time-real=7'), 'cron'), 7000);
  t.equal(realLimitMs(config('--limit-time-real=7', '--limit-time-real-cron=3'), 'cron'), 3000);
  t.equal(realLimitMs(config('--limit-time-real=7', '--limit-time-real-cron=0'), 'cron'), Infinity);
  t.equal(realLimitMs(config('--limit-time-real=7', '--limit-time-real-cron=3'), 'http'), 7000);
});

t.test('so have jobs that name no timeout, in seconds', async (t) => {
  t.equal(defaultTimeout(config('--limit-time-real=7')), 7);
  t.equal(defaultTimeout(config('--limit-time-real=7', '--limit-time-real-cron=3')), 3);
  t.equal(defaultTimeout(config('--limit-time-real=7', '--limit-time-real-cron=0')), 0);
});

t.test('the log names the setting that says so', async (t) => {
  t.match(watchLimits(config('--limit-time-real-cron=3'), 'cron'), {
    realMs: 3000,
    realSetting: 'limit_time_real_cron',
  });
  t.match(watchLimits(config('--limit-time-real-cron=3'), 'http'), { realSetting: 'limit_time_real' });
  t.match(watchLimits(config('--limit-time-real=7'), 'cron'), { realMs: 7000, realSetting: 'limit_time_real' });
});
