"""Signed HTTP requests between the Python SDK and this project, in both directions.

    http_auth.py [--peer PATH]

PATH is the program built by `cargo build -p myelin-neuron --example http_auth_peer`; by default the one in `examples`
beside the `myelin` program that the variable MYELIN names.
"""

import argparse
import hashlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from bittensor import http_auth
from bittensor.sp_core import CRYPTO_ED25519, CRYPTO_SR25519, Keypair, verify

CRYPTO = {"sr25519": CRYPTO_SR25519, "ed25519": CRYPTO_ED25519}
SECOND_NS = 1_000_000_000


def check(condition, what):
    if not condition:
        raise AssertionError(what)
    print(f"ok: {what}")


def refuses(error, what, call):
    try:
        call()
    except error:
        print(f"ok: {what}")
    else:
        raise AssertionError(f"{what}: expected {error.__name__}")


def check_their_requests(hello):
    """The SDK believes what we sign, and nothing that was changed."""
    for signed in hello["requests"]:
        what = f"{signed['method']} {signed['path']} {signed['crypto']} {'bound' if signed['bound'] else 'unbound'}"

        def believe(store=None, **changes):
            arguments = {
                "method": signed["method"],
                "path": signed["path"],
                "self_hotkey_ss58": hello["hotkey"],
                "require_receiver": False,
                "now_ns": signed["nonce_ns"],
                "nonce_store": store or http_auth.InMemoryNonceStore(),
            }
            body = changes.pop("body", bytes.fromhex(signed["body"]))
            return http_auth.verify(signed["headers"], body, **{**arguments, **changes})

        caller = believe()
        check(caller.hotkey_ss58 == signed["sender"], f"SDK believes {what}")
        check(caller.crypto_type == CRYPTO[signed["crypto"]], f"scheme of {what}")
        for change in ({"body": b"other"}, {"path": "/other"}, {"method": "PATCH"}):
            refuses(http_auth.BadSignature, f"SDK refuses {what} with another {next(iter(change))}", lambda: believe(**change))
        refuses(http_auth.StaleRequest, f"SDK refuses {what} late", lambda: believe(now_ns=signed["nonce_ns"] + 11 * SECOND_NS))
        if signed["bound"]:
            other = Keypair.create_from_uri("//Eve", CRYPTO_SR25519).ss58_address
            refuses(http_auth.WrongReceiver, f"SDK refuses {what} at Eve", lambda: believe(self_hotkey_ss58=other))
        store = http_auth.InMemoryNonceStore()
        believe(store)
        refuses(http_auth.ReplayedRequest, f"SDK refuses {what} twice", lambda: believe(store))


class Server:
    """Our server, called with requests that the SDK signs."""

    def __init__(self, hello):
        self.url, self.hotkey, self.max_body_bytes = hello["url"], hello["hotkey"], hello["max_body_bytes"]

    def sign(self, uri="//Alice", crypto="sr25519", path="/echo", body=b"hello", **changes):
        key = Keypair.create_from_uri(uri, CRYPTO[crypto])
        arguments = {"method": "POST", "path": path, "body": body, "receiver_ss58": self.hotkey}
        return key, http_auth.sign(key, **{**arguments, **changes})

    def send(self, headers, path="/echo", body=b"hello"):
        """Status, headers and body of the answer."""
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def refuses(self, status, code, what, headers, **request):
        found, _, body = self.send(headers, **request)
        error = json.loads(body)["error"]
        check((found, error["code"]) == (status, code), f"server refuses {what} with {status} {code}")


def check_signed_answer(server, key, headers, status, answer, body):
    """The answer's signature holds over seven lines, built here from the documentation and not from our code."""
    payload = "\n".join(
        (
            "myelin-response/1",
            "sr25519",
            headers["X-Bittensor-Nonce"],
            key.ss58_address,
            server.hotkey,
            str(status),
            hashlib.sha256(body).hexdigest(),
        )
    ).encode()
    signature = bytes.fromhex(answer["x-myelin-response-signature"].removeprefix("0x"))
    check(answer["x-myelin-response-hotkey"] == server.hotkey, "answer names its server")
    check(verify(payload, signature, server.hotkey, CRYPTO_SR25519), "answer is signed")


def check_our_server(server):
    for crypto in CRYPTO:
        for path, body in (("/echo", b"hello"), ("/echo?a=%20b&c", bytes(range(256))), ("/echo", b"")):
            key, headers = server.sign(crypto=crypto, path=path, body=body)
            status, answer, received = server.send(headers, path=path, body=body)
            check((status, received) == (200, body), f"server believes {crypto} {path}")
            check(answer["x-caller"] == key.ss58_address, f"caller of {crypto} {path}")
            check_signed_answer(server, key, headers, status, answer, received)

    _, headers = server.sign()
    server.refuses(401, "bad_signature", "another body", headers, body=b"other")
    server.refuses(401, "bad_signature", "another query", headers, path="/echo?x")
    check(server.send(headers)[0] == 200, "refused forgeries use up nothing")
    server.refuses(401, "replayed_request", "a replay", headers)
    for seconds in (-11, 3):
        _, headers = server.sign(nonce_ns=time.time_ns() + seconds * SECOND_NS)
        server.refuses(401, "stale_request", f"a request from {seconds} s", headers)
    _, headers = server.sign(receiver_ss58=None)
    server.refuses(401, "wrong_receiver", "a request for nobody", headers)
    _, headers = server.sign(receiver_ss58=Keypair.create_from_uri("//Eve", CRYPTO_SR25519).ss58_address)
    server.refuses(401, "wrong_receiver", "a request for Eve", headers)
    server.refuses(401, "malformed_auth", "a request without headers", {})
    large = b"x" * (server.max_body_bytes + 1)
    _, headers = server.sign(body=large)
    server.refuses(413, "body_too_large", "a large body", headers, body=large)


def default_peer():
    myelin = os.environ.get("MYELIN")
    return Path(myelin).parent / "examples" / "http_auth_peer" if myelin else None


def main():
    parser = argparse.ArgumentParser(description="signed HTTP requests in both directions")
    parser.add_argument("--peer", type=Path, default=default_peer())
    peer = parser.parse_args().peer
    if peer is None or not peer.exists():
        parser.error(f"no program at {peer}; build it with `cargo build -p myelin-neuron --example http_auth_peer`")
    with subprocess.Popen([peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        hello = json.loads(process.stdout.readline())
        check_their_requests(hello)
        check_our_server(Server(hello))
        process.stdin.close()


main()
