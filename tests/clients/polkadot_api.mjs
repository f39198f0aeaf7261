// Unmodified @polkadot/api: connect, read, transfer to Finalized, follow heads.

import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";

const TAO = 1_000_000_000n;
const SECONDS = 1000;
const DEADLINE = 60 * SECONDS;

function check(condition, what) {
  if (!condition) throw new Error(what);
  console.log(`ok: ${what}`);
}

function within(promise, what) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} took too long`)), DEADLINE).unref());
  return Promise.race([promise, late]);
}

async function main() {
  const provider = new WsProvider(process.env.MYELIN_NODE, false);
  await provider.connect();
  const api = await within(ApiPromise.create({ provider, throwOnConnect: true, noInitWarn: true }), "connecting");
  const keyring = new Keyring({ type: "sr25519" });
  const alice = keyring.addFromUri("//Alice");
  const receiver = keyring.addFromUri(`//receiver ${Date.now()}`);

  check(api.registry.chainSS58 === 42, "addresses have prefix 42");
  check(api.registry.chainDecimals[0] === 9, "a TAO has nine decimals");
  check(api.consts.aura.slotDuration.toBigInt() > 0n, "the slot duration is known");
  const { data } = await api.query.system.account(alice.address);
  check(data.free.toBigInt() > 1000n * TAO, "Alice is rich");

  const finalized = new Promise((resolve, reject) => {
    api.tx.balances
      .transferKeepAlive(receiver.address, 3n * TAO)
      .signAndSend(alice, ({ status, dispatchError, events }) => {
        if (dispatchError) reject(new Error(dispatchError.toString()));
        if (status.isFinalized) resolve(events);
      })
      .catch(reject);
  });
  const events = await within(finalized, "the transfer");
  check(events.some(({ event }) => api.events.balances.Transfer.is(event)), "the transfer is final and has its event");
  const received = await api.query.system.account(receiver.address);
  check(received.data.free.toBigInt() === 3n * TAO, "it arrived to the rao");

  const heads = await within(
    new Promise((resolve, reject) => {
      const numbers = [];
      api.rpc.chain
        .subscribeNewHeads((header) => {
          numbers.push(header.number.toNumber());
          if (numbers.length === 4) resolve(numbers);
        })
        .catch(reject);
    }),
    "following heads",
  );
  check(heads.every((number, index) => number === heads[0] + index), "heads follow each other");

  const failing = api.tx.subtensorModule.startCall(4000);
  const failure = await within(
    new Promise((resolve, reject) => {
      failing
        .signAndSend(alice, ({ status, dispatchError }) => {
          if (status.isFinalized) resolve(dispatchError);
        })
        .catch(reject);
    }),
    "the failing call",
  );
  check(api.registry.findMetaError(failure.asModule).name === "SubnetNotExists", "a failure is told by name");
  await api.disconnect();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
