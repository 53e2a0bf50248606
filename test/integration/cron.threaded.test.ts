import { crons } from './cron.ts';

crons('threaded');
