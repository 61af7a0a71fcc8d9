// What a team would write instead of Penstock, in Node: Fastify and the AWS SDK v3. POST /music
// answers 201 once DynamoDB has acknowledged the item.
//   PORT, ENDPOINT, CA_FILE; BATCH=1 gathers writes into BatchWriteItem by hand
//
// Settings that matter: NODE_ENV=production, no request log, a schema for the body and for the
// answer (Fastify compiles both), one keep-alive agent of SOCKETS connections with LIFO reuse and
// TLS session reuse, SDK retries at their default.
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { BatchWriteItemCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { marshall } from '@aws-sdk/util-dynamodb';
import fastify from 'fastify';

const TABLE = 'Music';
const BATCH_ITEMS = 25;
const BATCH_DELAY_MS = 1;
const BACKOFF_MS = 25;
const ATTEMPTS = 4;

const client = new DynamoDBClient({
  endpoint: process.env.ENDPOINT,
  region: 'eu-west-1',
  requestHandler: new NodeHttpHandler({
    connectionTimeout: 3000,
    requestTimeout: 5000,
    httpsAgent: new Agent({
      ca: readFileSync(process.env.CA_FILE),
      keepAlive: true,
      scheduling: 'lifo',
      maxSockets: Number(process.env.SOCKETS ?? 64),
    }),
  }),
});

// ---- one PutItem for each POST ----

const putItem = (song) =>
  client.send(new PutItemCommand({ TableName: TABLE, Item: marshall(song) }));

// ---- up to 25 in a BatchWriteItem ----

let open = new Map(); // by key: DynamoDB refuses a batch that has one twice
let timer;

const keyOf = (artist, title) => JSON.stringify([artist, title]);

function flush() {
  clearTimeout(timer);
  timer = undefined;
  const batch = open;
  open = new Map();
  if (batch.size > 0) {
    send(batch);
  }
}

async function send(batch) {
  try {
    for (let attempt = 1; batch.size > 0; attempt++) {
      const requests = [...batch.values()].map(({ item }) => ({ PutRequest: { Item: item } }));
      const answer = await client.send(
        new BatchWriteItemCommand({ RequestItems: { [TABLE]: requests } }));
      const left = new Map();
      for (const { PutRequest: { Item } } of answer.UnprocessedItems?.[TABLE] ?? []) {
        const key = keyOf(Item.Artist.S, Item.SongTitle.S);
        left.set(key, batch.get(key));
      }
      for (const [key, write] of batch) {
        if (!left.has(key)) {
          write.resolve();
        }
      }
      batch = left;
      if (batch.size > 0) {
        if (attempt === ATTEMPTS) {
          throw new Error('unprocessed items');
        }
        await new Promise((r) => setTimeout(r, Math.random() * BACKOFF_MS * 2 ** attempt));
      }
    }
  } catch (error) {
    for (const write of batch.values()) {
      write.reject(error);
    }
  }
}

function putBatched(song) {
  const key = keyOf(song.Artist, song.SongTitle);
  if (open.has(key)) {
    flush();
  }
  return new Promise((resolve, reject) => {
    open.set(key, { item: marshall(song), resolve, reject });
    if (open.size === BATCH_ITEMS) {
      flush();
    } else {
      timer ??= setTimeout(flush, BATCH_DELAY_MS);
    }
  });
}

// ---- the service ----

const put = process.env.BATCH ? putBatched : putItem;
const text = { type: 'string' };
const app = fastify({ logger: false });
app.post('/music', {
  schema: {
    body: {
      type: 'object',
      required: ['Artist', 'SongTitle'],
      properties: { Artist: text, SongTitle: text },
    },
    response: { 201: { type: 'object', properties: { Artist: text, SongTitle: text } } },
  },
}, async (request, reply) => {
  await put(request.body);
  reply.code(201);
  return request.body; // the schema leaves the key of it
});
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
