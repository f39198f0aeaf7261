"""Wallets on disk: what one side writes the other reads and signs with, plain and encrypted."""

import json
import os

from support import MYELIN, check, document, run, scratch_home

home = scratch_home()

from bittensor.keyfiles import Keypair, WrongPasswordError  # noqa: E402  (reads the environment when imported)
from bittensor.wallet import Wallet  # noqa: E402

MESSAGE = "the same bytes"


def myelin(*arguments: str):
    return document(run(MYELIN, "--json", "--wallet-path", str(home), *arguments))


def python_signs(name: str, password: str | None) -> dict:
    wallet = Wallet(name=name, hotkey="default", path=str(home))
    check(wallet.coldkey_file.is_encrypted() == bool(password), f"{name}: encryption is recognised")
    if password:
        try:
            wallet.get_coldkey("not " + password)
        except WrongPasswordError:
            check(True, f"{name}: a wrong password is refused")
        else:
            raise AssertionError("a wrong password was accepted")
    key = wallet.get_coldkey(password)
    return {"address": key.ss58_address, "signature": bytes(key.sign(MESSAGE.encode())).hex()}


for name, password in (("plain", None), ("secret", "pässword 1")):
    if password:
        os.environ["MYELIN_WALLET_PASSWORD"] = password
    protection = [] if password else ["--no-password"]
    ours = myelin("wallet", "create", f"our-{name}", *protection)
    signed = python_signs(f"our-{name}", password)
    check(signed["address"] == ours["coldkey"], f"{name}: Python reads our wallet")
    verdict = myelin("wallet", "verify", MESSAGE, signed["signature"], signed["address"])
    check(verdict["valid"] is True, f"{name}: and we accept its signature")

    theirs = Wallet(name=f"their-{name}", hotkey="default", path=str(home))
    theirs.create_new_coldkey(use_password=bool(password), coldkey_password=password, suppress=True)
    theirs.create_new_hotkey(use_password=False, suppress=True)
    for kind, public in ((["--coldkey"], theirs.coldkeypub), ([], theirs.hotkeypub)):
        signed = myelin("wallet", "sign", MESSAGE, "--wallet", f"their-{name}", *kind)
        check(signed["signer"] == public.ss58_address, f"{name}: we read Python's wallet")
        key = Keypair(ss58_address=signed["signer"])
        check(key.verify(MESSAGE.encode(), bytes.fromhex(signed["signature"])), f"{name}: and it accepts our signature")

added = myelin("wallet", "new-hotkey", "their-secret", "-H", "second")
second = Wallet(name="their-secret", hotkey="second", path=str(home))
check(second.hotkey.ss58_address == added["hotkey"], "Python reads a hotkey that we added to its wallet")

names = [wallet["name"] for wallet in myelin("wallet", "list")["wallets"]]
check(names == sorted(["our-plain", "our-secret", "their-plain", "their-secret"]), "all wallets are listed")
listed = json.dumps(document(run("btcli", "wallet", "list", "--wallet-path", str(home), "--json")))
check(all(name in listed for name in names), "btcli lists them too")
