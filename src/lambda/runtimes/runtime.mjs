// A Lambda runtime for Node without dependencies: the handler runs as it does in AWS Lambda.
//
// usage: node runtime.mjs FILE.FUNCTION     (in a configuration: command: [node, runtime.mjs, app.handler])
//
// It speaks the Runtime API at AWS_LAMBDA_RUNTIME_API. With AWS_LAMBDA_MAX_CONCURRENCY above 1 it
// serves that many events at a time.
import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const concurrency = Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY ?? 1);
const agent = new http.Agent({ keepAlive: true, maxSockets: concurrency + 1 });

function call(method, what, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    const request = http.request(
      {
        host, port, method, agent,
        path: "/2018-06-01/runtime/" + what,
        headers: bytes ? { "Content-Type": "application/json", "Content-Length": bytes.length, ...headers } : {},
      },
      (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
      });
    request.on("error", reject);
    request.end(bytes);
  });
}

function describe(error) {
  return JSON.stringify({
    errorMessage: String(error?.message ?? error),
    errorType: error?.name ?? "Error",
    stackTrace: String(error?.stack ?? "").split("\n").slice(1),
  });
}

async function load(name) {
  const dot = name.lastIndexOf(".");
  const base = path.resolve(name.slice(0, dot));
  const file = [".mjs", ".js", ".cjs"].map((end) => base + end).find(existsSync);
  if (!file) throw Object.assign(new Error(`no ${base}.mjs, .js or .cjs`), { name: "Runtime.ImportModuleError" });
  const module = await import(pathToFileURL(file));
  const handler = module[name.slice(dot + 1)] ?? module.default?.[name.slice(dot + 1)];
  if (typeof handler !== "function") {
    throw Object.assign(new Error(`${name} is not a function`), { name: "Runtime.HandlerNotFound" });
  }
  return handler;
}

function makeContext(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// A handler answers by its promise, or by the callback where it takes one.
function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, value) => (error ? reject(error) : resolve(value));
    const returned = handler(event, context, callback);
    if (typeof returned?.then === "function") returned.then(resolve, reject);
    else if (handler.length < 3) resolve(returned);
  });
}

async function serve(handler) {
  for (;;) {
    const next = await call("GET", "invocation/next");
    if (next.status !== 200) throw new Error(`next: ${next.status} ${next.text}`);
    process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
    const at = `invocation/${next.headers["lambda-runtime-aws-request-id"]}/`;
    let answer;
    try {
      answer = JSON.stringify(await run(handler, JSON.parse(next.text), makeContext(next.headers))) ?? "null";
    } catch (error) {
      console.error(error);
      await call("POST", at + "error", describe(error),
        { "Lambda-Runtime-Function-Error-Type": "Function." + (error?.name ?? "Error") });
      continue;
    }
    await call("POST", at + "response", answer);
  }
}

const name = process.argv[2];
if (!name?.includes(".")) {
  console.error("usage: node runtime.mjs FILE.FUNCTION");
  process.exit(2);
}
let handler;
try {
  handler = await load(name);
} catch (error) {
  console.error(error);
  await call("POST", "init/error", describe(error),
    { "Lambda-Runtime-Function-Error-Type": error.name.startsWith("Runtime.") ? error.name : "Runtime.ImportModuleError" });
  process.exit(1);
}
await Promise.all(Array.from({ length: concurrency }, () => serve(handler)));
