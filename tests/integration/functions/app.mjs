// Handlers that test_functions.py runs on src/lambda/runtimes/runtime.mjs and on aws-lambda-ric.
export const echo = async (event, context) => ({
  statusCode: 201,
  headers: { "X-Version": event.version },
  body: `${process.env.GREETING} ${event.body} ${process.pid}`,
});
export const die = () => process.exit(7);
export const killed = () => process.kill(process.pid, "SIGKILL");
export const hang = () => new Promise(() => setInterval(() => {}, 1000));
export const nonsense = async () => ({ statusCode: 201, headers: { "X-A": "a\r\nX-B: b" } });
