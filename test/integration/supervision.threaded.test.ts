import { supervision } from './supervision.ts';

supervision('threaded');
