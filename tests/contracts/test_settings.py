"""Requirements of the settings table and of the log lines set up from it."""

import io
import json
import logging
import os
import re
from pathlib import Path

import pytest
import structlog

from service import log, setting_sources, settings
from service.setting_sources import load, to_environ
from service.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """No winnow.toml of the developer's takes part."""
    monkeypatch.chdir(tmp_path)


def test_without_anything_the_defaults_hold():
    """A fresh machine needs no setting."""
    chosen = load({})
    assert (chosen.host, chosen.port, chosen.data_dir) == ("127.0.0.1", 8080, Path("winnow-data"))
    assert chosen.web_processes == min(2, os.cpu_count() or 1)
    assert chosen.public_url == "http://127.0.0.1:8080"
    assert chosen.rate_limits
    assert chosen.secret_bytes == b""


def test_options_beat_the_environment_which_beats_the_file(tmp_path):
    """Each source may be overridden by a nearer one."""
    path = tmp_path / "my.toml"
    path.write_text("port = 1\nhost = 'a'\nweb_processes = 3\n")
    chosen = load({"WINNOW_PORT": "2", "WINNOW_HOST": "b"}, path, {"port": 3, "host": None})
    assert (chosen.port, chosen.host, chosen.web_processes) == (3, "b", 3)


def test_the_file_is_the_named_one_or_winnow_toml(tmp_path):
    """WINNOW_CONFIG names the file; otherwise ./winnow.toml counts if it exists."""
    (tmp_path / "winnow.toml").write_text("port = 1")
    (tmp_path / "other.toml").write_text("port = 2\ntrusted_proxies = ['10.0.0.0/8', '::1']")
    assert load({}).port == 1
    chosen = load({"WINNOW_CONFIG": "other.toml"})
    assert chosen.port == 2
    assert [str(network) for network in chosen.proxy_networks] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("on", True), ("TRUE", True), ("1", True), ("off", False), ("false", False), ("0", False)],
)
def test_switches_take_six_words(word, meaning):
    """on, true, 1 and off, false, 0, in any case."""
    assert load({"WINNOW_DEMO": word}).demo is meaning


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1000", 1000), ("512mb", 512 << 20), ("2GB", 2 << 30)]
)
def test_memory_is_read_as_redis_reads_it(text, size):
    """Bytes, or a number with kb, mb or gb."""
    assert load({"WINNOW_REDIS_MAXMEMORY": text}).redis_maxmemory == size


@pytest.mark.parametrize("text", ["ab" * 16, "AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0O_w"])
def test_the_secret_is_hexadecimal_or_base64(text):
    """Both spellings of base64, with and without padding."""
    assert len(load({"WINNOW_SECRET": text}).secret_bytes) == 16


def test_an_empty_value_means_the_default():
    """As compose files and unit files write it."""
    assert load({"WINNOW_PORT": "", "WINNOW_REDIS_URL": ""}) == load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "a b"),
        ("HOST", "a\nb"),
        ("PORT", "99999"),
        ("PORT", "-1"),
        ("PORT", "eighty"),
        ("PORT", "8_0"),
        ("PORT", "٣"),
        ("DATA_DIR", "a\0b"),
        ("WEB_PROCESSES", "0"),
        ("ADMIN_KEY", "short"),
        ("ADMIN_KEY", "with a space"),
        ("SECRET", "ab" * 15),
        ("SECRET", "not base64, not hexadecimal!"),
        ("BASE_URL", "example.org"),
        ("BASE_URL", "ftp://example.org"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://:hunter2@localhost"),
        ("REDIS_MAXMEMORY", "2 gb"),
        ("REDIS_MAXMEMORY", "-5"),
        ("RATE_LIMITS", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "everyone"),
        ("DRAIN_S", "-1"),
        ("DRAIN_S", "nan"),
        ("DRAIN_S", "1e3"),
    ],
)
def test_a_refused_value_names_setting_problem_and_rule(name, value):
    """One line for the operator, which never repeats a secret."""
    with pytest.raises(SettingsError) as caught:
        load({f"WINNOW_{name}": value})
    said, row = str(caught.value), settings.table()[name.lower()]
    assert said.startswith(f"WINNOW_{name}: ")
    assert said.endswith(f"it must be {row.kind.rule}")
    assert "\n" not in said
    assert not row.secret or value not in said
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    "text", ["port = '1'x", "port = 2020-01-01", "demo = 3", "host = 7", "trusted_proxies = 3"]
)
def test_a_bad_file_is_refused(tmp_path, text):
    """Broken TOML and values of the wrong type name the file."""
    (tmp_path / "winnow.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"winnow\.toml"):
        load({})


def test_a_named_file_must_exist():
    """A wrong WINNOW_CONFIG is not passed over."""
    with pytest.raises(SettingsError, match=r"none\.toml: the settings file cannot be read"):
        load({"WINNOW_CONFIG": "none.toml"})


@pytest.mark.parametrize(
    ("environ", "toml", "hint"),
    [
        ({"WINNOW_PROT": "1"}, "", "WINNOW_PROT: .* did you mean WINNOW_PORT?"),
        ({"WINNOW_port": "1"}, "", "WINNOW_port: .* did you mean WINNOW_PORT?"),
        ({"WINNOW_XYZZY": "1"}, "", "docs/settings.md"),
        ({}, "prot = 1", "did you mean port?"),
        ({}, "[server]\nport = 1", "server in "),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(tmp_path, environ, toml, hint):
    """A typing error never passes silently."""
    (tmp_path / "winnow.toml").write_text(toml)
    with pytest.raises(SettingsError, match=hint):
        load(environ)


def test_variables_that_are_no_settings_are_tolerated():
    """The hand-over to children, variables of tests, and everybody else's."""
    environ = {"WINNOW_CHILD": "{}", "WINNOW_TEST_X": "1", "PORT": "1", "WINNOWING": "1"}
    assert load(environ) == load({})


def test_children_get_equal_settings(tmp_path):
    """What the supervisor writes into the environment reads back as the same settings."""
    chosen = Settings(
        host="::1",
        port=0,
        data_dir=tmp_path,
        admin_key="k" * 8,
        secret="ab" * 16,
        base_url="https://example.org",
        redis_url="redis://localhost/0",
        redis_maxmemory=5,
        rate_limits=False,
        model=tmp_path,
        trusted_proxies=("10.0.0.0/8", "::1/128"),
        drain_s=0.5,
        demo=False,
    )
    (tmp_path / "winnow.toml").write_text("port = 9\nredis_server = 'x'")
    assert load(to_environ(chosen)) == chosen
    assert set(to_environ(chosen)) == {f"WINNOW_{n.upper()}" for n in settings.table()} | {
        "WINNOW_CONFIG"
    }


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"host": "0.0.0.0", "port": 1}, "http://127.0.0.1:1"),
        ({"host": "::", "port": 1}, "http://[::1]:1"),
        ({"host": "fe80::1", "port": 1}, "http://[fe80::1]:1"),
        ({"base_url": "https://example.org"}, "https://example.org"),
    ],
)
def test_the_public_url_is_one_a_browser_can_open(given, url):
    """Derived from host and port unless it is set."""
    assert Settings(**given).public_url == url


def test_secrets_never_appear_in_a_repr():
    """Neither in plain tracebacks nor in rich ones."""
    secret = {"admin_key": "hunter22", "secret": "hunter22", "redis_url": "redis://:hunter22@h"}
    chosen = Settings(**secret)
    assert "hunter22" not in repr(chosen) + str(chosen) + repr(chosen.__rich_repr__())
    assert "'***'" in repr(chosen)
    assert "port=8080" in repr(chosen)


def test_every_setting_is_in_help_and_docs():
    """The table drives both; docs/settings.md is up to date."""
    for name, row in settings.table().items():
        for text in (setting_sources.help_text(), setting_sources.markdown()):
            assert f"WINNOW_{name.upper()}" in text
            assert row.sentence in text
        assert row.sentence.endswith(".")
    assert (ROOT / "docs/settings.md").read_text() == setting_sources.markdown()


# Log lines


@pytest.fixture
def lines():
    """What was logged, line by line; the process's logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def read():
        return stream.getvalue().split("\n")[:-1]

    read.stream = stream
    yield read
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


NASTY = "a\nb\r\x00\x1b[31m\x7f\x85\u2028\u202e"


def test_json_lines_carry_time_level_and_event(lines):
    """One object per line; control characters cannot break or forge one."""
    log.configure("info", "json", lines.stream)
    log.get("part").info(NASTY, value=NASTY, number=1, odd={1, 2})
    logging.getLogger("uvicorn.error").warning("hello %s", NASTY)
    log.get("part").debug("not shown")
    first, second = map(json.loads, lines())
    assert list(first)[:3] == ["ts", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", first["ts"])
    assert (first["level"], first["event"], first["value"]) == ("info", NASTY, NASTY)
    assert first["part"] == "part"
    assert (second["level"], second["part"]) == ("warning", "uvicorn.error")
    assert lines.stream.getvalue().isascii()
    assert lines.stream.getvalue().replace("\n", "").isprintable()


def test_console_lines_escape_control_characters(lines):
    """A terminal never gets a stranger's escape sequence."""
    log.configure("debug", "console", lines.stream)
    log.get("part").debug(NASTY, value=NASTY)
    (line,) = lines()
    assert line.isprintable()


def test_auto_means_json_away_from_a_terminal(lines):
    """Containers and unit files get JSON without asking."""
    log.configure(stream=lines.stream)
    log.get("part").info("hello")
    assert json.loads(lines()[0])["event"] == "hello"


def test_a_traceback_is_one_json_line(lines):
    """Exceptions do not break the one-line rule."""
    log.configure("info", "json", lines.stream)
    try:
        raise ValueError(NASTY)
    except ValueError:
        log.get("part").exception("failed")
        logging.getLogger("asyncio").exception("failed")
    ours, foreign = map(json.loads, lines())
    assert "ValueError" in ours["exception"]
    assert "ValueError" in foreign["exception"]


def test_lines_go_to_standard_error(capsys):
    """Standard output belongs to the commands."""
    log.configure("info", "json")
    log.get("part").info("hello")
    said = capsys.readouterr()
    assert "hello" in said.err
    assert said.out == ""
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
