import { cronStores } from './cron-store.ts';

cronStores('prefork');
