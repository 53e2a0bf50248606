// A Koa app, exported instead of listening.
import Koa from 'koa';

const app: Koa = new Koa();

app.use((ctx) => {
  ctx.body = { hello: 'koa', pid: process.pid };
});

export default app;
