import { crashes } from './crashes.ts';

crashes('prefork');
