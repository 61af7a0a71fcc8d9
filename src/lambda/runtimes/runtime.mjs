// A Lambda runtime for Node without dependencies: the handler runs as it does in AWS Lambda.
//
// usage: node runtime.mjs FILE.FUNCTION     (in a configuration: command: [node, runtime.mjs, app.handler])
//
// It speaks the Runtime API at AWS_LAMBDA_RUNTIME_API. With AWS_LAMBDA_MAX_CONCURRENCY above 1 it
// serves that many events at a time. awslambda.streamifyResponse and awslambda.HttpResponseStream are
// there as in AWS's runtime.
import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { Writable } from "node:stream";
import { finished } from "node:stream/promises";
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

// Anything may be thrown: a string, null, an object without a prototype.
function parts(error) {
  try {
    if (error instanceof Error) {
      return { message: String(error.message), type: String(error.name), stack: String(error.stack) };
    }
    return { message: String(error?.message ?? error), type: String(error?.name ?? typeof error), stack: "" };
  } catch {
    return { message: "an error that cannot be told in words", type: typeof error, stack: "" };
  }
}

function describe(error) {
  const { message, type, stack } = parts(error);
  return JSON.stringify({ errorMessage: message, errorType: type, stackTrace: stack.split("\n").slice(1) });
}

// For a header field, which holds less than a name may.
function typeOf(error) {
  return parts(error).type.replace(/[^\x21-\x7e]/g, "?");
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
  const clientContext = headers["lambda-runtime-client-context"];
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: clientContext && JSON.parse(Buffer.from(clientContext, "latin1").toString()),
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

// ---- a response in parts ----

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const MODE = "Lambda-Runtime-Function-Response-Mode";
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";

class ResponseStream extends Writable {
  #at;
  #type = "application/octet-stream";
  #metadata;
  #request;
  #answered;

  constructor(at) {
    super();
    this.#at = at;
  }
  get begun() {
    return this.#request !== undefined;
  }
  setContentType(type) {
    if (this.begun) throw new Error("the response has begun: its content type is fixed");
    this.#type = type;
  }
  setMetadata(metadata) {
    this.setContentType("application/vnd.awslambda.http-integration-response");
    this.#metadata = metadata;
  }
  #begin() {
    if (this.begun) return;
    const headers = { "Content-Type": this.#type, [MODE]: "streaming", "Transfer-Encoding": "chunked",
      Trailer: `${ERROR_TYPE}, ${ERROR_BODY}` };
    this.#answered = new Promise((resolve) => {
      this.#request = http.request(
        { host, port, agent, method: "POST", path: `/2018-06-01/runtime/${this.#at}response`, headers },
        (response) => response.resume().on("end", resolve));
      this.#request.on("error", (error) => { this.destroy(error); resolve(); });
    });
    if (this.#metadata) {
      this.#request.write(Buffer.concat([Buffer.from(JSON.stringify(this.#metadata)), Buffer.alloc(8)]));
    }
  }
  _write(chunk, encoding, done) {
    this.#begin();
    if (this.#request.write(chunk)) done();
    else this.#request.once("drain", done);
  }
  _final(done) {
    this.#begin();
    this.#request.end(done);
  }
  // An error in the middle goes into the trailer.
  fail(error) {
    this.#request.addTrailers({ [ERROR_TYPE]: "Function." + typeOf(error),
      [ERROR_BODY]: Buffer.from(describe(error)).toString("base64") });
    this.#request.end();
    return this.#answered;
  }
  answered() {
    return this.#answered;
  }
}

globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[STREAMING] = "response";
    return handler;
  },
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setMetadata(metadata);
      return stream;
    },
  },
};

async function stream(handler, event, context, at) {
  const out = new ResponseStream(at);
  const written = finished(out, { readable: false });
  written.catch(() => {}); // heard of below, or it is told as the handler's own error
  try {
    await handler(event, out, context);
    await written;
    await out.answered();
  } catch (error) {
    if (!out.begun) throw error;
    console.error(error);
    await out.fail(error);
  }
}

async function serve(handler) {
  for (;;) {
    const next = await call("GET", "invocation/next");
    if (next.status !== 200) throw new Error(`next: ${next.status} ${next.text}`);
    process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
    const at = `invocation/${next.headers["lambda-runtime-aws-request-id"]}/`;
    let answer;
    try {
      if (handler[STREAMING] === "response") {
        await stream(handler, JSON.parse(next.text), makeContext(next.headers), at);
        continue;
      }
      answer = JSON.stringify(await run(handler, JSON.parse(next.text), makeContext(next.headers))) ?? "null";
    } catch (error) {
      console.error(error);
      await call("POST", at + "error", describe(error),
        { [ERROR_TYPE]: "Function." + typeOf(error) });
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
    { [ERROR_TYPE]: typeOf(error).startsWith("Runtime.") ? typeOf(error) : "Runtime.ImportModuleError" });
  process.exit(1);
}
await Promise.all(Array.from({ length: concurrency }, () => serve(handler)));
