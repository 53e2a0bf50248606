import { hammerTests } from './hammer-tests.ts';

hammerTests('SQLite', async () => '');
