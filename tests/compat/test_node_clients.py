"""Node's clients, unmodified, against the running service.

`make node-clients` installs them as `tests/compat/node/package-lock.json` says. The scripts beside
it call them and print what they got; what must be so is said here. `NODE` names another
Node to use.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import random
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service import webhooks

FOLDER = Path(__file__).parent / "node"
NODE = os.environ.get("NODE") or shutil.which("node") or ""
ABUSE = "You are a fucking idiot."
THANKS = "Thanks for making the web a better place."

needs_node = pytest.mark.skipif(
    not (NODE and (FOLDER / "node_modules" / "openai").is_dir()),
    reason="no Node, or its clients are not installed: run `make node-clients`",
)


async def run(script: str, given: dict[str, Any], *options: str, **environ: str) -> dict[str, Any]:
    """What a script prints."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        *options,
        script,
        json.dumps(given),
        cwd=FOLDER,
        env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return dict(json.loads(out))


def test_the_lock_pins_every_package_by_its_hash_and_names_no_registry():
    """Whoever installs them asks the registry they have chosen themselves."""
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = [row for path, row in lock["packages"].items() if path]
    assert len(packages) > 3
    assert all(row["integrity"].startswith("sha512-") for row in packages)
    assert not any("resolved" in row for row in packages)
    asked = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert asked == {
        name: lock["packages"][f"node_modules/{name}"]["version"]
        for name in ("akismet-api", "openai", "standardwebhooks")
    }


# -------------------------------------------------------------------------------- openai


@needs_node
async def test_openai_moderates_in_every_form(site):
    """One result for a text, one for each of a list, one for a list of parts; 13 categories."""
    got = await run("openai.mjs", {"url": site.winnow.url, "key": site.secret, "abuse": ABUSE})
    (result,) = got["text"]["answer"]["results"]
    assert result["flagged"] is True
    assert len(result["categories"]) == len(result["category_scores"]) == 13
    assert [r["flagged"] for r in got["texts"]["answer"]["results"]] == [False, True]
    assert got["texts"]["answer"]["model"] == "omni-moderation-latest"
    assert len(got["parts"]["answer"]["results"]) == 1
    assert len(got["older"]["answer"]["results"][0]["categories"]) == 11
    assert got["requestId"]["answer"]


@needs_node
async def test_openai_raises_its_own_errors(site):
    """The classes its users catch."""
    got = await run("openai.mjs", {"url": site.winnow.url, "key": site.secret, "abuse": ABUSE})
    assert (got["empty"]["error"], got["empty"]["status"]) == ("BadRequestError", 400)
    assert (got["stranger"]["error"], got["stranger"]["status"]) == ("AuthenticationError", 401)
    assert got["stranger"]["code"] == "invalid_api_key"


# --------------------------------------------------------------------------- perspective


@needs_node
async def test_fetch_asks_perspective(site):
    """Scores, spans, feedback and errors; the colon of a method may be encoded."""
    got = await run("perspective.mjs", {"url": site.winnow.url, "key": site.secret, "abuse": ABUSE})
    status, found = got["analyze"]["answer"]
    assert status == 200
    assert found["attributeScores"]["TOXICITY"]["summaryScore"]["value"] > 0.5
    assert found["attributeScores"]["INSULT"]["spanScores"][0]["end"] <= len(ABUSE)
    assert (found["languages"], found["clientToken"]) == (["en"], "token-1")
    assert got["encoded"]["answer"] == got["analyze"]["answer"]
    assert got["suggest"]["answer"][0] == 200
    assert got["suggest"]["answer"][1]["clientToken"] == "token-2"
    status, refused = got["empty"]["answer"]
    assert (status, refused["error"]["details"][0]["errorType"]) == (400, "COMMENT_EMPTY")
    status, refused = got["stranger"]["answer"]
    assert (status, refused["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")


# ------------------------------------------------------------------------------- akismet


@needs_node
async def test_akismet_api_works_with_a_hosts_entry_and_a_certificate(plain_site, tmp_path):
    """The package as Coral uses it: TLS to a host that carries the key, no setting for a server."""
    key = plain_site.key("compat")
    authority, context = certificates(tmp_path)
    async with tls_proxy(plain_site.winnow.url, context) as (address, port):
        got = await run(
            "akismet.mjs",
            {"key": key, "port": port},
            "--require",
            "./hosts.cjs",
            AKISMET_ADDRESS=address,
            NODE_EXTRA_CA_CERTS=str(authority),
        )
    assert got == {
        "verify": {"answer": True},
        "verifyStranger": {"answer": False},
        "ham": {"answer": False},
        "spam": {"answer": True},
        "stranger": {"error": "Error", "message": "Invalid API key"},
        "submitSpam": {"answer": THANKS},
        "submitHam": {"answer": THANKS},
        "coralSpam": {"answer": [200, THANKS]},
        "coralHam": {"answer": [200, THANKS]},
    }


def certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A throw-away authority, as a file, and a server with its certificate for Akismet's hosts."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, names = "Winnow's tests", ("rest.akismet.com", "*.rest.akismet.com")
    ca = _certificate(ca_name, ca_name, ca_key, ca_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    leaf = _certificate(names[0], ca_name, key, ca_key).add_extension(alternatives, critical=False)
    authority, chain = folder / "ca.pem", folder / "server.pem"
    authority.write_bytes(_pem(ca.sign(ca_key, hashes.SHA256())))
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + _pem(leaf.sign(ca_key, hashes.SHA256()))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return authority, context


def _certificate(subject: str, issuer: str, key: Any, issuer_key: Any) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@asynccontextmanager
async def tls_proxy(url: str, context: ssl.SSLContext) -> AsyncIterator[tuple[str, int]]:
    """Ends TLS before `url` and passes bytes on, as nginx would; where it listens.

    On port 443 of a loopback address of its own where that is allowed, else on any port.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        with suppress(OSError):
            await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))

    try:
        own = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        server = await asyncio.start_server(talk, own, 443, ssl=context)
    except OSError:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[:2]
    await asyncio.wait_for(asyncio.gather(*talks), 10)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


# ------------------------------------------------------------------------------ webhooks


@needs_node
async def test_standardwebhooks_verifies_what_winnow_signs():
    """While a secret is rotated either one will do; a changed body or another secret will not."""
    secret, former = webhooks.new_secret(), webhooks.new_secret()
    body = '{"type":"comment.approved","data":{"id":"01J","status":"approved","name":"Zoë"}}'
    signed = webhooks.headers([secret, former], "msg_1", body.encode(), time.time_ns() // 1_000_000)
    given = {"secret": secret, "former": former, "body": body, "headers": signed}
    got = await run("webhook.mjs", given)
    assert got["genuine"]["answer"] == got["former"]["answer"] == json.loads(body)
    assert got["tampered"]["error"] == got["stranger"]["error"] == "WebhookVerificationError"
