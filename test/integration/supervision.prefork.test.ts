import { supervision } from './supervision.ts';

supervision('prefork');
