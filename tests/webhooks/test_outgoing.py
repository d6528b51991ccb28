"""Requirements of requests to strangers' addresses: nothing inside our own network is reached."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.outgoing import Answered, Broken, Judge, Outgoing, Refused, TooSlow, Unreachable
from tests.webhooks.conftest import LOCAL, Receiver

LOCAL_NET = ipaddress.ip_network(LOCAL)
PUBLIC = "93.184.216.34"


def local(**more: object) -> Outgoing:
    """One that may reach this machine."""
    return Outgoing([LOCAL_NET], **more)  # type: ignore[arg-type]


def answering(*addresses: str) -> tuple[Callable[..., object], list[str]]:
    """A resolver with fixed answers, and the names it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return addresses

    return resolve, asked


# ------------------------------------------------------------------------- addresses

INSIDE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.1.2.3",
    "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "100.100.100.200", "169.254.170.2",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::7f00:1", "100::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1",
    "fd00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not Judge().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", PUBLIC, "2606:4700::1111", "2a00:1450:4001:80b::200e"]
)
def test_a_public_address_may_be_reached(address: str) -> None:
    assert Judge().allows(ipaddress.ip_address(address))


def test_a_network_that_was_opened_is_reached_but_never_a_clouds_metadata() -> None:
    judge = Judge(map(ipaddress.ip_network, ["10.0.0.0/8", "169.254.0.0/16", "fd00::/8"]))
    assert judge.allows(ipaddress.ip_address("10.1.2.3"))
    assert judge.allows(ipaddress.ip_address("169.254.1.1"))
    assert judge.allows(ipaddress.ip_address("fd00::1"))
    assert not judge.allows(ipaddress.ip_address("192.168.0.1"))
    assert not judge.allows(ipaddress.ip_address("169.254.169.254"))
    assert not judge.allows(ipaddress.ip_address("fd00:ec2::254"))


SPELLINGS = [
    "127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1",
    "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "0", "0.0.0.0",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_this_machine_is_connected_to(host: str, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].partition("/")[0]
    with pytest.raises(Refused):
        await Outgoing().post(f"http://{host}:{port}/hook", b"{}", {})
    assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "//example.org/",
        "example.org", "", "http:///path", "http://user@example.org/", "http://u:p@example.org/",
        "http://@example.org/", "http://①②⑦.0.0.1/", "http://example.org:22/",
        "https://example.org:6379/", "http://example.org:25/", "http://example.org:99999/",
        "http://example.org:x/", "http://[::1/", "unix:///run/redis.sock",
    ],
)  # fmt: skip
async def test_a_url_that_is_not_plain_http_is_refused_before_anything_is_looked_up(
    url: str,
) -> None:
    resolve, asked = answering(PUBLIC)
    with pytest.raises(Refused) as caught:
        await Outgoing(resolve=resolve).post(url, b"{}", {})  # type: ignore[arg-type]
    assert asked == []
    assert "example" not in caught.value.reason


@pytest.mark.parametrize(
    "addresses",
    [("10.0.0.1",), (PUBLIC, "127.0.0.1"), ("::1", "2606:4700::1111"), (PUBLIC, "64:ff9b::7f00:1")],
)
async def test_one_bad_address_among_good_ones_spoils_the_name(addresses: tuple[str, ...]) -> None:
    resolve, _ = answering(*addresses)
    with pytest.raises(Refused):
        await Outgoing(resolve=resolve).post("http://mixed.example/", b"", {})  # type: ignore[arg-type]


async def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
    receiver: Receiver,
) -> None:
    """Rebinding: the second answer would be another address, and nobody asks for it."""
    port = int(receiver.url.split(":")[2].partition("/")[0])
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.168.66.66"]

    done = await local(resolve=resolve).post(f"http://rebind.example:{port}/x", b"{}", {})
    assert (done.status, asked) == (204, ["rebind.example"])
    assert receiver.got[0].headers["host"] == f"rebind.example:{port}"


async def test_a_name_without_an_address_is_unreachable() -> None:
    resolve, _ = answering()
    with pytest.raises(Unreachable):
        await Outgoing(resolve=resolve).post("http://none.example/", b"", {})  # type: ignore[arg-type]

    async def fails(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unreachable):
        await Outgoing(resolve=fails).post("http://none.example/", b"", {})


async def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    port = int(receiver.url.split(":")[2].partition("/")[0])
    resolve, _ = answering("127.9.9.9", "127.0.0.1")  # nobody listens on the first
    done = await local(resolve=resolve).post(f"http://two.example:{port}/", b"", {})
    assert done.status == 204


# -------------------------------------------------------------------------- exchange


async def test_a_redirect_is_an_answer_and_is_not_followed(
    receivers: Callable[[], Receiver],
) -> None:
    first, second = receivers(), receivers()
    first.always = 302, {"Location": second.url}
    assert (await local().post(first.url, b"", {})).status == 302
    assert second.got == []


async def test_no_proxy_of_the_environment_no_cookie_and_no_compression(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    receiver.always = 204, {"Set-Cookie": "a=b"}
    outgoing = local()
    for _ in range(2):
        assert (await outgoing.post(receiver.url, b"{}", {"X-Own": "1"})).status == 204
    headers = receiver.got[1].headers
    assert set(headers) == {"host", "user-agent", "connection", "content-length", "x-own"}


@pytest.mark.parametrize("answer", ["hang", "drip"])
async def test_the_deadline_covers_everything(receiver: Receiver, answer: str) -> None:
    receiver.always = answer
    before = time.monotonic()
    with pytest.raises(TooSlow):
        await local().post(receiver.url, b"{}", {}, deadline_s=0.5)
    assert time.monotonic() - before < 2


async def test_a_name_server_that_hangs_is_too_slow() -> None:
    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(30)
        return []

    with pytest.raises(TooSlow):
        await Outgoing(resolve=hangs).post("http://slow.example/", b"", {}, deadline_s=0.1)


async def test_names_that_are_looked_up_slowly_hold_up_no_other(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty names at a name server that does not answer, which no deadline can interrupt."""
    real, let_go = socket.getaddrinfo, threading.Event()

    def slow(host: str, *more: object, **named: object) -> object:
        if host.startswith("slow"):
            let_go.wait(10)
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return real(host, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    outgoing = local()
    waiting = [
        asyncio.create_task(outgoing.post(f"http://slow{i}.example/", b"", {})) for i in range(30)
    ]
    await asyncio.sleep(0.05)
    assert (await outgoing.post(receiver.url, b"", {})).status == 204
    assert not any(task.done() for task in waiting)
    let_go.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in failed} == {Unreachable}


async def test_of_an_endless_answer_little_is_read_and_its_status_counts() -> None:
    sent = 0
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        nonlocal sent
        with listener.accept()[0] as door:
            door.recv(65_536)
            door.settimeout(5)
            door.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            try:
                while sent < 200_000_000:
                    sent += door.send(b"x" * 65_536)
            except OSError:
                pass
        done.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        before = time.monotonic()
        answered = await local().post(f"http://127.0.0.1:{port}/", b"", {})
        assert (answered.status, time.monotonic() - before < 2) == (200, True)
        assert await asyncio.to_thread(done.wait, 5)
        thread.join()
    assert sent < 20_000_000  # what the kernel's buffers took


async def test_a_connection_that_breaks_and_an_answer_that_is_not_http(receiver: Receiver) -> None:
    receiver.always = "reset"
    with pytest.raises(Broken):
        await local().post(receiver.url, b"{}", {})
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        await local().post(f"http://127.0.0.1:{port}/?token=1", b"{}", {})
    assert "127" not in caught.value.reason
    assert "token" not in caught.value.reason


async def test_retry_after_is_read_as_seconds_or_as_a_date(receiver: Receiver) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)
    for text, low, high in (
        ("17", 17, 17),
        (format_datetime(soon, usegmt=True), 80, 91),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0, 0),
        ("9" * 30, 1, 1e10),
    ):
        receiver.answers = [(503, {"Retry-After": text})]
        waits = (await local().post(receiver.url, b"", {})).retry_after_s
        assert waits is not None
        assert low <= waits <= high
    for text in ("", "soon", "-5", "²"):
        receiver.answers = [(503, {"Retry-After": text.encode().decode("latin-1")})]
        assert await local().post(receiver.url, b"", {}) == Answered(503, None)


# ------------------------------------------------------------------------------- TLS


def certificate(folder: Path, name: str) -> Path:
    """A file with a self-signed certificate for a name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def test_tls_is_checked_against_the_name_in_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name stays in SNI and Host though the connection goes to an address."""
    pem = certificate(tmp_path, "hook.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    resolve, _ = answering("127.0.0.1")
    async with server:
        with pytest.raises(Unreachable, match="certificate"):
            await local(resolve=resolve).post(f"https://hook.example:{port}/", b"", {})
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        trusting = local(resolve=resolve)
        assert (await trusting.post(f"https://hook.example:{port}/", b"", {})).status == 204
        with pytest.raises(Unreachable, match="certificate"):
            await trusting.post(f"https://other.example:{port}/", b"", {})
    assert names == ["hook.example", "hook.example", "other.example"]
    assert f"Host: hook.example:{port}".encode() in heard[0]
    assert len(heard) == 1
