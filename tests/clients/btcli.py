"""Unmodified btcli: balances, a transfer, a subnet, the list of subnets and a metagraph."""

from support import ALICE, ALICE_SEED, NODE, RAO, check, document, run, scratch_home

home = scratch_home()
wallets = str(home / "wallets")


def local(*arguments: str, expect: int = 0):
    return document(run("btcli", *arguments, "--wallet-path", wallets, "--json", expect=expect))


def read(*arguments: str):
    return local(*arguments, "-n", NODE)


def write(*arguments: str):
    outcome = local(*arguments, "-n", NODE, "-y")
    check(outcome["success"] is True, f"btcli {' '.join(arguments[:2])} succeeds")
    return outcome


def free_rao(address: str) -> int:
    shown = str(read("query", "balance", "--coldkey", address))
    digits = "".join(c for c in shown.split("τ")[-1] if c.isdigit() or c == ".")
    whole, _, fraction = digits.partition(".")
    return int(whole) * RAO + int(f"{fraction:0<9}"[:9])


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
write("hparams", "start", "--netuid", netuid, "-w", "owner")
