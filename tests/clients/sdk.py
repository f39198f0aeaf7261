"""The unmodified SDK: connect, read, transfer, create a subnet, register on it, judge, read its metagraph."""

import asyncio

from support import ALICE_SEED, COMMAND_SECONDS, NODE, RAO, check, scratch_home

home = scratch_home()

import bittensor as bt  # noqa: E402  (reads the environment when imported)
from bittensor.wallet import Wallet  # noqa: E402


def new_wallet(name: str) -> Wallet:
    wallet = Wallet(name=name, hotkey="default", path=str(home / "wallets"))
    wallet.create_new_coldkey(use_password=False, suppress=True)
    wallet.create_new_hotkey(use_password=False, suppress=True)
    return wallet


def alice_wallet() -> Wallet:
    wallet = Wallet(name="alice", hotkey="default", path=str(home / "wallets"))
    wallet.regenerate_coldkey(seed=ALICE_SEED, use_password=False, suppress=True)
    wallet.create_new_hotkey(use_password=False, suppress=True)
    return wallet


async def refuses_to_register_in_the_open(client, netuid: int, wallet: Wallet) -> None:
    """The SDK registers neurons through the shield alone, which this chain does not have yet."""
    intent = bt.BurnedRegister(netuid=netuid, hotkey_ss58=wallet.hotkeypub.ss58_address)
    try:
        result = await asyncio.wait_for(client.execute(intent, wallet), COMMAND_SECONDS)
        words = "" if result.success else result.message
    except asyncio.TimeoutError:
        raise
    except Exception as error:  # whatever class the SDK gives it
        words = str(error)
    check("shield" in words.lower(), f"a shielded registration is refused in time: {words}")


async def main() -> None:
    alice, owner, miner = alice_wallet(), new_wallet("owner"), new_wallet("miner")
    async with bt.Client(NODE) as client:
        for wallet, tao in ((owner, 9000), (miner, 100)):
            result = await client.execute(
                bt.Transfer(dest_ss58=wallet.coldkeypub.ss58_address, amount_tao=tao), alice
            )
            check(result.success, f"transfer to {wallet.name}")
        balance = await client.balances.get(miner.coldkeypub.ss58_address)
        check(balance.rao == 100 * RAO, "the balance is what was sent")

        numbers = []
        async for head in client.blocks():
            numbers.append(head.number)
            if len(numbers) == 5:
                break
        check(numbers == list(range(numbers[0], numbers[0] + 5)), "five consecutive blocks")

        senders = [client.execute(bt.Transfer(dest_ss58=owner.coldkeypub.ss58_address, amount_tao=1), alice)]
        senders += [
            client.execute(bt.Transfer(dest_ss58=miner.coldkeypub.ss58_address, amount_tao=1), alice)
            for _ in range(9)
        ]
        results = await asyncio.gather(*senders)
        check(all(result.success for result in results), "ten transfers at once")

        created = await client.execute(bt.RegisterSubnet(), owner)
        check(created.success, "the subnet is created")
        netuid = created.data["netuid"]
        check((await client.execute(bt.StartCall(netuid=netuid), owner)).success, "the subnet is started")

        hotkey = miner.hotkeypub.ss58_address
        call = bt.calls.SubtensorModule.burned_register(netuid=netuid, hotkey=hotkey)
        check((await client.submit_call(call, miner)).success, "a neuron is registered")
        axon = bt.ServeAxon(netuid=netuid, ip="203.0.113.5", port=8091)
        check((await client.execute(axon, miner)).success, "its endpoint is announced, by a hotkey without funds")
        stake = bt.AddStake(netuid=netuid, hotkey_ss58=hotkey, amount_tao=5)
        staked = await client.execute(stake, miner)
        check(staked.success, f"stake is added: {staked.message}")

        weights = bt.SetWeights(netuid=netuid, uids=[0, 1], weights=[0.25, 0.75])
        judged = await asyncio.wait_for(client.execute(weights, owner), COMMAND_SECONDS)
        check(judged.success, f"weights are set: {judged.message}")
        await refuses_to_register_in_the_open(client, netuid, alice)

        metagraph = await client.subnets.metagraph(netuid)
        check([neuron.uid for neuron in metagraph.neurons] == [0, 1], "the metagraph has both neurons")
        neuron = metagraph.by_hotkey(hotkey)
        check(neuron.axon == "203.0.113.5:8091", "and the endpoint")
        check(await client.subnets.metagraph(4000) is None, "a subnet that does not exist has no metagraph")


asyncio.run(main())
