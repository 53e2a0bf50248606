import { crowds } from './crowds.ts';

crowds('prefork');
