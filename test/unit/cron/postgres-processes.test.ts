import t from 'tap';
import { hammerTests } from './hammer-tests.ts';
import { startPostgres } from './postgres-server.ts';

const server = await startPostgres(t);

hammerTests('PostgreSQL', () => server.database());
