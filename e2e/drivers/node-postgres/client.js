// A client by node-postgres; ../README.md tells what it does. The driver has no mode `prefer`.
const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { Client } = require('pg');

const { HOST, ADDRESS, PORT, LOGIN, PASSWORD, FOLDER } = process.env;
const EVERY = 100;

const secured = {
  disable: () => false,
  'verify-full': (authorities) => ({ ca: fs.readFileSync(authorities), servername: HOST }),
};

function profiles() {
  const lines = fs.readFileSync(`${FOLDER}/profiles`, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(' ')).filter(([, mode]) => mode in secured);
}

async function connect(mode, authorities) {
  const client = new Client({
    host: ADDRESS,
    port: PORT,
    user: LOGIN,
    password: PASSWORD,
    database: 'postgres',
    ssl: secured[mode](authorities),
    enableChannelBinding: true,
    connectionTimeoutMillis: 5000,
  });
  // An ended session is told by the question after it.
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function attempt(name, work) {
  try {
    const result = await work();
    console.log(`${name} ok ${Date.now() / 1000}`);
    return result;
  } catch (error) {
    console.log(`${name} err ${Date.now() / 1000} ${String(error.message).replace(/\s+/g, ' ')}`);
    return null;
  }
}

async function once(mode, authorities) {
  const client = await connect(mode, authorities);
  try {
    await client.query('select 1');
  } finally {
    await client.end();
  }
}

async function ask(session) {
  await session.query('select 1');
  return session;
}

async function main() {
  let kept = null;
  while (!fs.existsSync(`${FOLDER}/end`)) {
    const begin = Date.now();
    const all = profiles();
    for (const [name, mode, authorities] of all) await attempt(name, () => once(mode, authorities));
    const [, mode, authorities] = all[0];
    kept = kept ? await attempt('kept', () => ask(kept)) : await connect(mode, authorities).catch(() => null);
    await sleep(Math.max(0, begin + EVERY - Date.now()));
  }
  process.exit(0);
}

main();
