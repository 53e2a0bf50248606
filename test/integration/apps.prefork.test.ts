import { apps } from './apps.ts';

apps('prefork');
