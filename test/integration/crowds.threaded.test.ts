import { crowds } from './crowds.ts';

crowds('threaded');
