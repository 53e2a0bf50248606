import { crons } from './cron.ts';

crons('prefork');
