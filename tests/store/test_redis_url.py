"""Requirements of the store's URL: each topology is read, anything else refused in one line."""

from __future__ import annotations

import pytest

from service.redis_url import SCHEMES, parse
from service.setting_sources import load
from service.settings import SettingsError


def test_each_topology_is_read_from_its_url() -> None:
    one = parse("redis://ann:p%40ss@store.example/2")
    assert (one.kind, one.hosts, one.tls) == ("single", (("store.example", 6379),), False)
    assert (one.username, one.password) == ("ann", "p@ss")
    behind = parse("redis+sentinel://:pw@s1,s2:26380,[::1]:7/main?sentinel_password=x&db=3")
    assert behind.hosts == (("s1", 26379), ("s2", 26380), ("::1", 7))
    assert (behind.kind, behind.master, behind.password) == ("sentinel", "main", "pw")
    assert behind.options == {"sentinel_password": "x", "db": "3"}
    many = parse("rediss+cluster://n1:7000,n2:7001?ssl_ca_certs=/etc/ca.pem")
    assert (many.kind, many.tls, len(many.hosts)) == ("cluster", True, 2)
    assert parse("unix:///run/store.sock?db=0").kind == "single"
    assert parse("unix://service:secret@/run/a%20b/store.sock?db=0").username == "service"
    assert {kind for kind, _ in SCHEMES.values()} == {"single", "sentinel", "cluster"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hidden@h", "is not such a URL"),
        ("redis://", "is not such a URL"),
        ("redis://:hidden@h,k", "several hosts"),
        ("redis://:hidden@h:99999", "out of range"),
        ("redis://:hidden@h/x", "no database number"),
        ("redis://u:12?hidden@h", "has an option that is none of"),
        ("redis://:hidden@h?socket_timeout=60", "has an option that is none of"),
        ("redis://:hidden@h?retry_on_timeout=true", "has an option that is none of"),
        ("redis://:hid#hidden@h", "holds a #"),
        ("redis+sentinel://:hidden@h:1,k:2", "lacks the master's name"),
        ("redis+sentinel://:hidden@/main", "names no host"),
        ("redis+cluster://:hidden@h:1/3", "has a path"),
        ("redis+cluster://:hidden@h:1?db=3", "number 0 only"),
        ("redis+cluster://:hidden@h:1?sentinel_password=hidden", "has an option"),
        ("rediss://:hidden@h?ssl_cert_reqs=hidden", "that does not fit"),
        ("unix://relative", "names no socket"),
    ],
)
def test_any_other_is_refused_in_one_line_that_repeats_no_secret(url: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"WINNOW_REDIS_URL": url, "WINNOW_CONFIG": "/dev/null"})
    line = str(refused.value)
    assert line.startswith("WINNOW_REDIS_URL: the value ")
    assert said in line
    assert "hidden" not in line
    assert "\n" not in line


def test_nothing_that_prints_the_settings_shows_the_url() -> None:
    settings = load(
        {"WINNOW_REDIS_URL": "redis+cluster://:hidden@h:1", "WINNOW_CONFIG": "/dev/null"}
    )
    assert "hidden" not in repr(settings)
    assert "hidden" not in repr(parse(settings.redis_url))
