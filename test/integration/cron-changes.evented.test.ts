import { cronChanges } from './cron-changes.ts';

cronChanges('evented');
