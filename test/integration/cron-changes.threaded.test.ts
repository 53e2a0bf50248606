import { cronChanges } from './cron-changes.ts';

cronChanges('threaded');
