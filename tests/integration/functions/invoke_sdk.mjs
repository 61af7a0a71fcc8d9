// Invokes functions with AWS's SDK, for test_invoke_clients.py.
//
// usage: node invoke_sdk.mjs NODE_MODULES ENDPOINT <INPUTS     (a JSON array of InvokeCommand inputs; {streams: true}: streamed)
//
// Prints a JSON array: of each its output with Payload and LogResult as text, or {Code}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, endpoint] = process.argv.slice(2);
const { InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient } = createRequire(modules + "/")("@aws-sdk/client-lambda");
const client = new LambdaClient({
  endpoint, region: "eu-west-1", maxAttempts: 1, credentials: { accessKeyId: "a", secretAccessKey: "b" },
});

async function stream(input) {
  const chunks = [];
  let end;
  const output = await client.send(new InvokeWithResponseStreamCommand(input));
  for await (const event of output.EventStream) {
    if (event.PayloadChunk) chunks.push(Buffer.from(event.PayloadChunk.Payload));
    end = event.InvokeComplete ?? end;
  }
  return { InvokeComplete: end, Payload: Buffer.concat(chunks).toString() };
}

async function invoke({ streams, ...input }) {
  try {
    if (streams) return await stream(input);
    const { Payload, $metadata, ...output } = await client.send(new InvokeCommand(input));
    return { ...output, Payload: Buffer.from(Payload ?? []).toString() };
  } catch (error) {
    return { Code: error.name };
  }
}

const outputs = [];
for (const input of JSON.parse(readFileSync(0, "utf8"))) outputs.push(await invoke(input));
console.log(JSON.stringify(outputs));
