// One node client against a running server: connect, negotiate, pipeline, transactions, scan, and
// come back after a restart.
//
//     node clients.js redis2|redis3|ioredis PORT
//
// The test that starts it restarts the server when this prints "restart" and answers with a line on
// standard input.
'use strict';

const assert = require('node:assert');
const readline = require('node:readline');

const [kind, port] = [process.argv[2], Number(process.argv[3])];
const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();

async function serverRestarted() {
  console.log('restart');
  assert.strictEqual((await lines.next()).value, 'restarted');
}

// A client that lost its connection may fail commands for a while: until one succeeds, or the
// deadline.
async function eventually(what, action) {
  const deadline = Date.now() + 30000;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what}: ${error}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

async function nodeRedis(protocol) {
  const {createClient} = require('redis');
  const client = createClient({
    socket: {host: '127.0.0.1', port},
    RESP: protocol,
    name: 'node-client',
  });
  client.on('error', () => {}); // lost connections are part of the test
  await client.connect();
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(await client.clientGetName(), 'node-client');
  const info = await client.clientInfo();
  assert.strictEqual(info.resp, protocol);

  assert.strictEqual(await client.set('a', 'ä\r\n'), 'OK');
  assert.strictEqual(await client.get('a'), 'ä\r\n');
  assert.strictEqual(await client.get('nosuch'), null);
  assert.strictEqual(await client.set('a', 'x', {NX: true}), null);
  assert.deepStrictEqual(await client.mGet(['a', 'nosuch']), ['ä\r\n', null]);
  assert.strictEqual(await client.incrByFloat('f', 0.5), '0.5');
  await assert.rejects(client.incr('a'), /not an integer/);

  // Commands of one tick are one pipeline.
  const setThenGet = (_, i) => (i % 2 ? client.get(`p:${i - 1}`) : client.set(`p:${i}`, `${i}`));
  const replies = await Promise.all(Array.from({length: 5000}, setThenGet));
  replies.forEach((reply, i) => assert.strictEqual(reply, i % 2 ? `${i - 1}` : 'OK'));

  const results = await client.multi().set('m', '1').incr('m').get('m').exec();
  assert.deepStrictEqual(results, ['OK', 2, '2']);
  const names = new Set();
  for await (const page of client.scanIterator({MATCH: 'p:1*', COUNT: 100})) {
    for (const key of page) names.add(key);
  }
  const written = Array.from({length: 2500}, (_, i) => `${2 * i}`);
  assert.strictEqual(names.size, written.filter((s) => s.startsWith('1')).length);

  await serverRestarted();
  await eventually('GET after a restart', async () => {
    assert.strictEqual(await client.get('m'), '2');
  });
  assert.strictEqual(await client.clientGetName(), 'node-client');
  assert.strictEqual((await client.clientInfo()).resp, protocol);
  await client.close();
}

async function ioredis() {
  const Redis = require('ioredis');
  const client = new Redis({
    host: '127.0.0.1',
    port,
    connectionName: 'io-client',
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on('error', () => {});
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(await client.client('GETNAME'), 'io-client');
  assert.strictEqual(await client.set('a', 'x', 'EX', 1000), 'OK');
  assert.strictEqual(await client.get('a'), 'x');
  assert.strictEqual(await client.getBuffer('nosuch'), null);
  await assert.rejects(client.incr('a'), /not an integer/);

  const pipeline = client.pipeline();
  for (let i = 0; i < 5000; i++) pipeline.set(`p:${i}`, i).get(`p:${i}`);
  const replies = await pipeline.exec();
  replies.forEach(([error, reply], i) => {
    assert.strictEqual(error, null);
    assert.strictEqual(reply, i % 2 ? `${(i - 1) / 2}` : 'OK');
  });
  const results = await client.multi().set('m', 1).incr('m').exec();
  assert.deepStrictEqual(results, [[null, 'OK'], [null, 2]]);
  const names = new Set();
  for await (const page of client.scanStream({match: 'p:1*', count: 100})) {
    for (const key of page) names.add(key);
  }
  assert.strictEqual(names.size, 1111);

  await serverRestarted();
  await eventually('GET after a restart', async () => {
    assert.strictEqual(await client.get('m'), '2');
  });
  await client.quit();
}

const clients = {redis2: () => nodeRedis(2), redis3: () => nodeRedis(3), ioredis};
clients[kind]().then(
  () => {
    console.log('done');
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
