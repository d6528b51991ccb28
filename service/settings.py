"""Every setting of Winnow, in one table.

The table is the struct `Settings`: each field has a type, a default, one sentence and the rule its
values obey. The environment (`WINNOW_<NAME>`), the TOML file, `winnow serve --help` and
`docs/settings.md` all derive from it (`setting_sources`); a setting is added by adding one field.
"""

import os
from pathlib import Path
from typing import Annotated, cast, get_args, get_type_hints

import msgspec

from service import setting_kinds as kinds

EXIT_CODE = 78
"""What a process exits with after a SettingsError: EX_CONFIG of sysexits.h."""


class SettingsError(Exception):
    """A setting is unknown or its value is refused.

    `str(error)` is one sentence for the operator that names the setting, the value's problem and
    the rule; it never repeats a secret. The process then exits with `EXIT_CODE`.
    """

    exit_code = EXIT_CODE


class Setting(msgspec.Struct, frozen=True):
    """One row of the table: its sentence, the kind of its values, and how it is shown."""

    sentence: str
    kind: kinds.Kind
    secret: bool = False
    default: str = ""
    """The default in words, where the value itself would say less (or differs by machine)."""


def _default_web_processes() -> int:
    return min(2, os.cpu_count() or 1)


_KEY_RULE = "8 to 200 printable ASCII characters without spaces"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one installation runs with; immutable, built by `setting_sources.load`."""

    host: Annotated[
        str,
        Setting(
            "The address to listen on; 0.0.0.0 or :: for all.",
            kinds.matching("a host name or an address", r"[A-Za-z0-9.:_%-]{1,255}"),
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, Setting("The port to listen on; 0 takes any free one.", kinds.whole(0, 65_535))
    ] = 8080
    data_dir: Annotated[
        Path, Setting("The folder that holds everything this installation must keep.", kinds.path())
    ] = Path("winnow-data")
    web_processes: Annotated[
        int,
        Setting(
            "How many web processes answer requests.",
            kinds.whole(1, 256),
            default="2, or 1 on a machine with one processor",
        ),
    ] = msgspec.field(default_factory=_default_web_processes)
    admin_key: Annotated[
        str,
        Setting(
            "A key that may do everything; without it the first start makes one and prints it.",
            kinds.matching(_KEY_RULE, r"[!-~]{8,200}"),
            secret=True,
        ),
    ] = ""
    secret: Annotated[
        str,
        Setting(
            "The installation's secret: needed when several machines share one Redis, otherwise "
            "made at the first start and kept in the data folder.",
            kinds.installation_secret(),
            secret=True,
        ),
    ] = ""
    base_url: Annotated[
        str,
        Setting(
            "The URL under which the world reaches this service.",
            kinds.url("an http or https URL", ("http", "https")),
            default="http://host:port",
        ),
    ] = ""
    redis_url: Annotated[
        str,
        Setting(
            "The Redis or Valkey, the Sentinels or the Cluster to use instead of the embedded "
            "server (docs/ops/many-machines.md).",
            kinds.store_url(),
            secret=True,
            default="the embedded server",
        ),
    ] = ""
    redis_replicas: Annotated[
        int | None,
        Setting(
            "How many replicas must have what is written before it is acknowledged.",
            kinds.whole(0, 10),
            default="1 with Sentinels or a Cluster, else 0",
        ),
    ] = None
    accept_weaker_durability: Annotated[
        bool,
        Setting(
            "Whether to start on a store of WINNOW_REDIS_URL that may lose what was acknowledged; "
            "replicas are then asked for their memory only, never for their disk.",
            kinds.switch(),
        ),
    ] = False
    redis_server: Annotated[
        Path | None,
        Setting(
            "Another server binary for the embedded server: Redis 7.0 or Valkey 7.2 or newer.",
            kinds.path(),
            default="the Valkey that comes with Winnow",
        ),
    ] = None
    redis_maxmemory: Annotated[
        int | None,
        Setting(
            "The most memory the embedded server may fill; from 85 % of it on no new comments are "
            "taken.",
            kinds.size(),
            default="60 % of the machine's or the container's memory",
        ),
    ] = None
    disk_reserve: Annotated[
        int | None,
        Setting(
            "What must stay free on the data folder's disk, beside as much as the append-only file "
            "takes; with less, no new comments are taken.",
            kinds.size(),
            default="256mb, or 5 % of a smaller disk",
        ),
    ] = None
    hang_s: Annotated[
        float,
        Setting(
            "How long a process may seem to hang before it is killed and replaced; 0 for ever.",
            kinds.seconds(3_600),
        ),
    ] = 30.0
    drain_wait_s: Annotated[
        float,
        Setting(
            "How long a stopping service goes on answering while /readyz says 503, so that load "
            "balancers notice first.",
            kinds.seconds(3_600),
        ),
    ] = 0.0
    rate_limits: Annotated[bool, Setting("Whether requests are rate-limited.", kinds.switch())] = (
        True
    )
    requests_max: Annotated[
        int,
        Setting(
            "How many requests may be under way in one web process, half of them from one network; "
            "further ones are told 503 at once.",
            kinds.whole(8, 10_000),
        ),
    ] = 256
    streams_max: Annotated[
        int,
        Setting(
            "How many event streams and exports one web process may serve, half of them to one "
            "network.",
            kinds.whole(2, 100_000),
        ),
    ] = 512
    stream_s: Annotated[
        float,
        Setting(
            "How long an event stream lasts; clients resume where it ended.", kinds.seconds(86_400)
        ),
    ] = 3600.0
    connections_max: Annotated[
        int,
        Setting(
            "How many connections one web process holds, half of them from one network; further "
            "ones are closed at once.",
            kinds.whole(16, 100_000),
        ),
    ] = 2048
    hosts: Annotated[
        tuple[str, ...],
        Setting(
            "The values of Host this service answers to, beside that of base_url; any other "
            "request is told 421.",
            kinds.words(
                "host names, with a port that is not the usual", r"[A-Za-z0-9._\[\]:-]{1,255}"
            ),
            default="every host",
        ),
    ] = ()
    model: Annotated[
        Path | None,
        Setting("The folder of the classifier to use.", kinds.path(), default="the shipped model"),
    ] = None
    semantic: Annotated[
        bool,
        Setting(
            "Whether a sentence encoder reads comments too (`make semantic` installs it); under "
            "load, and in explanations, the first stage stands alone.",
            kinds.switch(),
        ),
    ] = False
    log_level: Annotated[
        str,
        Setting(
            "The least severe level that is logged.",
            kinds.one_of("debug", "info", "warning", "error"),
        ),
    ] = "info"
    log_format: Annotated[
        str,
        Setting(
            "How log lines look; auto means console on a terminal and json elsewhere.",
            kinds.one_of("auto", "json", "console"),
        ),
    ] = "auto"
    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(
            "The proxies in front of Winnow: X-Forwarded-For is believed from these only.",
            kinds.networks(),
            default="none",
        ),
    ] = ()
    outgoing_networks: Annotated[
        tuple[str, ...],
        Setting(
            "Private networks that webhooks and other callbacks may reach on purpose; every other "
            "address that is not public is refused.",
            kinds.networks(),
            default="none",
        ),
    ] = ()
    worker_port: Annotated[
        int,
        Setting(
            "The port of a worker's own /livez and /metrics, where one runs alone; 0 for none.",
            kinds.whole(0, 65_535),
        ),
    ] = 0
    traces_url: Annotated[
        str,
        Setting(
            "Where traces are sent, as OTLP over HTTP (…/v1/traces); needs the extra winnow[otel].",
            kinds.url("an http or https URL", ("http", "https")),
            default="no traces",
        ),
    ] = ""
    traces_share: Annotated[
        float,
        Setting("How many requests are traced, where traces are sent.", kinds.share()),
    ] = 0.1
    drain_s: Annotated[
        float,
        Setting("How long requests under way may take to finish at a stop.", kinds.seconds(3_600)),
    ] = 25.0
    demo: Annotated[bool, Setting("Whether the demo site and its page exist.", kinds.switch())] = (
        True
    )

    @property
    def public_url(self) -> str:
        """`base_url`, or one made of host and port, without a slash at the end."""
        # A listener on all addresses is reached here through the local one.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return self.base_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def secret_bytes(self) -> bytes:
        """The bytes of `secret`; empty when it is not set."""
        return kinds.decoded(self.secret)

    @property
    def proxy_networks(self) -> tuple[kinds.Network, ...]:
        """`trusted_proxies`, ready to be asked whether they contain an address."""
        return tuple(kinds.network(item) for item in self.trusted_proxies)

    @property
    def reachable_networks(self) -> tuple[kinds.Network, ...]:
        """`outgoing_networks`, ready to be asked whether they contain an address."""
        return tuple(kinds.network(item) for item in self.outgoing_networks)

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Name and value of every setting, secrets masked."""
        return [
            (name, "***" if row.secret and getattr(self, name) else getattr(self, name))
            for name, row in table().items()
        ]

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


def table() -> dict[str, Setting]:
    """Every setting's row by name, in the order of the struct."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: cast(Setting, get_args(hints[name])[1]) for name in Settings.__struct_fields__}
