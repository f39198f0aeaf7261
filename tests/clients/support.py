"""What the client tests share: where the chain is, a scratch home, and plain assertions."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NODE = os.environ["MYELIN_NODE"]
MYELIN = os.environ["MYELIN"]
RAO = 1_000_000_000

# Seed of the well-known development key //Alice.
ALICE_SEED = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a"
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"

COMMAND_SECONDS = 60


def scratch_home() -> Path:
    """A directory of its own for everything that clients keep on disk, so that runs do not see each other.

    It is gone when the program ends.
    """
    home = Path(tempfile.mkdtemp(prefix="myelin-clients-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    names = home / "names.json"
    # btcli asks for the names of subnets beside every command until it has them, and forgets for this chain that it has. A
    # command that fails while the answer arrives is then never over, because `asyncio.wait_for` of Python before 3.12 can
    # lose the cancellation. With names that are known there is no such question.
    names.write_text(json.dumps({NODE: {"fetched_at": int(time.time()), "names": {}}}), encoding="utf-8")
    os.environ.update(
        {
            "HOME": str(home),
            "NO_COLOR": "1",
            "BITTENSOR_RUNTIME_CACHE_DIR": str(home / "runtime"),
            "BTCLI_CONFIG": str(home / "config.json"),
            "BTCLI_ADDRESSES_PATH": str(home / "addresses.json"),
            "BTCLI_PROXIES_PATH": str(home / "proxies.json"),
            "BTCLI_MULTISIGS_PATH": str(home / "multisigs.json"),
            "BTCLI_MULTISIG_CACHE": str(home / "multisig-cache.json"),
            "BTCLI_SUBNET_NAMES_CACHE": str(names),
            "BTCLI_TOKEN_SYMBOLS_CACHE": str(home / "symbols.json"),
        }
    )
    return home


def run(*arguments: str) -> str:
    """Runs a program to its end, which must be a success, and returns its standard output."""
    return _run(arguments, expect=0).stdout


def refusal(*arguments: str) -> str:
    """Runs a program to its end, which must be a failure and come in time, and returns all that it said."""
    done = _run(arguments, expect=1)
    return done.stdout + done.stderr


def _run(arguments, expect: int) -> subprocess.CompletedProcess:
    """A program that hangs is a failure too: the most likely one where a client misses something on the chain."""
    done = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if done.returncode != expect:
        raise AssertionError(
            f"{' '.join(arguments)}\nexit code {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}"
        )
    return done


def document(text: str):
    """The JSON document in what a program printed."""
    return json.loads(text)


def check(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)
    print(f"ok: {what}")
