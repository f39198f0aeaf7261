"""Unmodified btcli: balances, transfers, a subnet from its price to its epochs, stake, weights, and a clear refusal."""

import re

from support import ALICE, ALICE_SEED, MYELIN, NODE, RAO, check, document, refusal, run, scratch_home

home = scratch_home()
wallets = str(home / "wallets")


def local(*arguments: str):
    return document(run("btcli", *arguments, "--wallet-path", wallets, "--json"))


def read(*arguments: str):
    return local(*arguments, "-n", NODE)


def write(*arguments: str):
    outcome = local(*arguments, "-n", NODE, "-y")
    check(outcome["success"] is True, f"btcli {' '.join(arguments[:2])} succeeds")
    return outcome


def free_rao(address: str) -> int:
    shown = read("query", "balance", "--coldkey", address)
    amount = re.fullmatch(r"τ([0-9,]+)\.([0-9]{9})", shown)
    check(amount is not None, f"{shown} is an amount of TAO")
    whole, fraction = amount.groups()
    return int(whole.replace(",", "")) * RAO + int(fraction)


def hotkey_of(name: str) -> str:
    (wallet,) = (wallet for wallet in local("wallet", "list")["coldkeys"] if wallet["coldkey"] == name)
    return wallet["hotkeys"][0]["ss58"]


local("wallet", "regen-coldkey", "-w", "alice", "--no-password", "--seed", ALICE_SEED)
owner = local("wallet", "create", "-w", "owner", "-H", "default", "--no-password")

before = free_rao(ALICE)
check(before > 900_000 * RAO, "Alice is rich")
check(read("wallet", "balance", "-w", "alice") is not None, "btcli wallet balance answers")

write("tx", "transfer", "--dest", owner["coldkey_ss58"], "--amount-tao", "5000", "-w", "alice")
check(free_rao(owner["coldkey_ss58"]) == 5000 * RAO, "the transfer arrives to the rao")
fee = before - free_rao(ALICE) - 5000 * RAO
check(0 < fee < RAO // 100, f"Alice paid a fee of {fee} rao")

write("wallet", "transfer", "--dest", owner["coldkey_ss58"], "--amount", "1", "-w", "alice")
check(free_rao(owner["coldkey_ss58"]) == 5001 * RAO, "the other spelling of a transfer works")

cost = read("subnets", "create-cost")
created = write("subnets", "create", "-w", "owner", "-H", "default")
netuid = str(created["data"]["netuid"])
check(int(netuid) >= 1, f"the new subnet is number {netuid}")
check(cost is not None, "btcli shows the price of a subnet")

listed = str(read("subnets", "list"))
check(netuid in listed, "btcli lists the subnets")
check(owner["coldkey_ss58"] in str(read("subnets", "show", netuid)), "btcli shows the owner")
check(owner["coldkey_ss58"] in str(read("subnets", "metagraph", netuid)), "btcli prints the metagraph")
check(read("subnets", "hyperparameters", netuid) is not None, "btcli shows the rules of the subnet")

earliest = read("hparams", "check-start", "--netuid", netuid)
check(earliest["current_block"] >= earliest["earliest_start_block"], "btcli knows that the subnet may start")
write("hparams", "start", "--netuid", netuid, "-w", "owner")
status = read("query", "epoch-status", "--netuid", netuid)
check(status["next_epoch_start_block"] == status["block"] + status["blocks_remaining"], "btcli counts to the next epoch")
check(status["last_epoch_block"] + status["tempo"] == status["next_epoch_start_block"], "as the tempo says")

hotkey = hotkey_of("owner")
write("stake", "add", "--netuid", netuid, "--amount", "5", "-w", "owner", "-H", "default")
positions = read("stake", "list", "-w", "owner")
check([(p["netuid"], p["hotkey"]) for p in positions] == [(int(netuid), hotkey)], "btcli lists the stake")
check(positions[0]["stake_amount"] > 0, "which is worth something")
(overview,) = read("wallet", "overview", "-w", "owner")
check(overview["stakes"][0]["uid"] == 0 and overview["stakes"][0]["registered"], "btcli shows it in the overview")

write("weights", "set", "--netuid", netuid, "--uids", "0", "--weights", "1", "-w", "owner", "-H", "default")
shown = document(run(MYELIN, "--json", "--node", NODE, "weights", "show", netuid))["validators"]
check([(v["hotkey"], v["weights"]) for v in shown] == [(hotkey, [[0, 65535]])], "the weights are on the chain")

local("wallet", "new-hotkey", "-w", "alice", "-H", "default")
register = ("subnets", "register", "--netuid", netuid, "-w", "alice", "-H", "default")
words = refusal("btcli", *register, "--wallet-path", wallets, "--json", "-n", NODE, "-y")
check("MEV shield is not active" in words, "a shielded registration is refused in time, and says why")
