// Handlers that test_functions.py runs on src/lambda/runtimes/runtime.mjs and on aws-lambda-ric.
import { existsSync, readdirSync, writeFileSync } from "node:fs";

export const echo = async (event, context) => ({
  statusCode: 201,
  headers: { "X-Version": event.version },
  body: `${process.env.GREETING} ${event.body} ${process.pid}`,
});
export const die = () => process.exit(7);
export const killed = () => process.kill(process.pid, "SIGKILL");
export const hang = () => new Promise(() => setInterval(() => {}, 1000));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Streams as the query tells it: {before, parts, bytes, pause, gate, fail, die}.
export const stream = awslambda.streamifyResponse(async (event, out, context) => {
  const how = event.queryStringParameters ?? event;
  for (; how.before && !existsSync(how.before); await sleep(20));
  const chunk = Buffer.alloc(Number(how.bytes ?? 5), "x");
  if (!how.plain) {
    out = awslambda.HttpResponseStream.from(out, {
      statusCode: Number(how.status ?? 201), headers: { "Content-Type": "text/plain", "X-Id": context.awsRequestId },
      cookies: ["a=1", "b=2"] });
  }
  if (how.early) throw new RangeError("before the first byte");
  for (let n = 0; n < Number(how.parts ?? 1); n++) {
    if (!out.write(chunk)) await new Promise((resolve) => out.once("drain", resolve));
    if (how.pause) await sleep(Number(how.pause));
  }
  for (; how.gate && !existsSync(how.gate); await sleep(20));
  if (how.fail) throw new RangeError("in the middle");
  if (how.die) await sleep(100); // what was written leaves
  if (how.die) process.exit(9);
  if (how.hang) await sleep(600000);
  out.end();
});
// Comes back once all have come.
export const meet = async (event) => {
  const { dir, me, all } = event.queryStringParameters;
  writeFileSync(`${dir}/meet-${me}`, "");
  while (readdirSync(dir).filter((name) => name.startsWith("meet-")).length < Number(all)) await sleep(20);
  return { me, pid: process.pid };
};
export const client = async (event, context) => ({ context: context.clientContext ?? null });
export const nonsense = async () => ({ statusCode: 201, headers: { "X-A": "a\r\nX-B: b" } });
// Throws what is no error: `what` is JavaScript.
export const odd = async ({ what }) => { throw eval(what); };
// Says more than fits, or that it did not go well at such length.
export const big = async ({ queryStringParameters: q }) => {
  const text = "x".repeat(Number(q.bytes));
  if (q.raise !== undefined) throw new Error(text);
  return { statusCode: 201, headers: { "X-Pid": process.pid }, body: text };
};
