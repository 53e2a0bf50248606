import { cronLimits } from './cron-limits.ts';

cronLimits('evented');
