import { crons } from './cron.ts';

crons('evented');
