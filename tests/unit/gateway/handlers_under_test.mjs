// What function_route_test.c runs on src/lambda/runtimes/runtime.mjs.
export const echo = async (event, context) => ({
  statusCode: 201,
  headers: { "X-Version": event.version, "X-Name": context.functionName },
  cookies: ["a=1", "b=2"],
  body: JSON.stringify([event.rawPath, event.body, event.isBase64Encoded, event.cookies]),
});
export const bare = (event, context, callback) => callback(null, { hello: event.rawPath });
export const broken = async () => { throw new TypeError("it broke"); };
export const nonsense = async () => ({ statusCode: "many" });
export const split = async () => ({ statusCode: 200, headers: { "X-A": "a\r\nX-B: b" } });
export const hang = () => new Promise(() => setInterval(() => {}, 1000));
// Nothing is left that could ever answer: Node itself ends.
export const lost = () => new Promise(() => {});

export const streamed = globalThis.awslambda.streamifyResponse(async (event, stream) => {
  stream.write(event.rawPath);
  await new Promise((resolve) => setTimeout(resolve, 20));
  stream.end();
});
