"""The reference pages, made from the code they describe: `python -m service.reference --check`.

`PAGES` lists them. `--write` makes them anew; `--check` exits 1 and names those that are out of
date, so that no setting, endpoint, error, code, event, metric, key or command goes undocumented.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import classifier
from service import errors, metrics, setting_sources
from service.api import health
from service.api.gauges import Reading
from service.app import api_document
from service.auth import SCOPES
from service.cli import root
from service.pipeline.fields import CODES
from service.pipeline.policy import POLICY_CODES
from service.pipeline.reasons import LABELS, REASONS
from service.store import keys
from service.store.events import EVENTS, KEPT_MS

ROOT: Final = Path(__file__).parents[1]
DAY_MS: Final = 86_400_000
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def main(arguments: Sequence[str]) -> int:
    """Check or write the pages; the exit code."""
    if arguments not in (["--check"], ["--write"]):
        print("usage: python -m service.reference --check | --write", file=sys.stderr)
        return 2
    stale = out_of_date(ROOT)
    for name in stale:
        if arguments == ["--check"]:
            print(f"{name} is out of date: run python -m service.reference --write")
        else:
            write(ROOT / name, PAGES[name]())
            print(f"wrote {name}")
    return int(bool(stale) and arguments == ["--check"])


def out_of_date(folder: Path) -> list[str]:
    """The pages below `folder` that are missing or differ from what the code says."""
    return [name for name, page in PAGES.items() if _text(folder / name) != page()]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def write(path: Path, text: str) -> None:
    """Write one page, with its folder where need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# --------------------------------------------------------------------------- building


def _page(title: str, source: str, *parts: str) -> str:
    note = f"<!-- Generated from {source} by `python -m service.reference --write`. -->"
    return "\n\n".join([f"# {title}", note, *parts]) + "\n"


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _sentence(thing: object) -> str:
    """The first sentence of a docstring, which is its first paragraph."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


# -------------------------------------------------------------------------------- api


def api() -> str:
    """Every path and method, with what it takes and answers."""
    document = api_document("http://127.0.0.1:8080")
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                by_tag.setdefault(operation["tags"][0], []).append(
                    _operation(path, method, operation)
                )
    parts = [text for tag, found in by_tag.items() for text in (f"## {tag}", *found)]
    intro = (
        "The same document is served at `/openapi.json`, and as a page at `/docs`. Errors are\n"
        "`application/problem+json`; see [errors](errors.md)."
    )
    return _page("HTTP API", "the OpenAPI document", intro, *parts, *_schemas(document))


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"### `{method.upper()} {path}`", f"{operation['summary']}."]
    if "description" in operation:
        parts.append(operation["description"])
    if "security" in operation:
        parts.append(f"Needs a key with the scope `{operation['security'][0]['key'][0]}`.")
    if shown := [_parameter(p) for p in operation["parameters"] if p["in"] != "path"]:
        parts.append(_table(["parameter", "in", "values", "meaning"], shown))
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"Body: {_type(schema)}.")
    answers = [_answer(status, each) for status, each in operation["responses"].items()]
    return "\n\n".join([*parts, _table(["answer", "body"], answers)])


def _parameter(parameter: Mapping[str, Any]) -> list[str]:
    name = f"`{parameter['name']}`" + (" (required)" if parameter["required"] else "")
    meaning = parameter.get("description", "")
    return [name, parameter["in"], _type(parameter["schema"]), meaning]


def _answer(status: str, answer: Mapping[str, Any]) -> list[str]:
    shown = []
    for media, content in answer.get("content", {}).items():
        kind = _type(content["schema"])
        shown.append(kind if media == "application/json" else f"`{media}`")
    return [f"{status} {answer['description']}", ", ".join(shown) or "none"]


def _schemas(document: Mapping[str, Any]) -> Iterator[str]:
    yield "## Shapes"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"### {name}"
        if text := schema.get("description"):
            yield text
        needed = set(schema.get("required", ()))
        rows = [
            [f"`{field}`", _type(kind), "yes" if field in needed else "", _default(kind)]
            for field, kind in schema.get("properties", {}).items()
        ]
        yield _table(["field", "type", "required", "default"], rows) if rows else _type(schema)


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict | list):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in few words; a named shape as a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join("null" if each is None else f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        items = schema.get("items")
        return "list of " + (_type(items) if isinstance(items, Mapping) else "values")
    if isinstance(schema.get("additionalProperties"), Mapping):
        return "object of " + _type(schema["additionalProperties"])
    return str(kind) + _bounds(schema)


_BOUNDS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "pattern": "`{}`",
}


def _bounds(schema: Mapping[str, Any]) -> str:
    found = [words.format(schema[name]) for name, words in _BOUNDS.items() if name in schema]
    return f" ({', '.join(found)})" if found else ""


# ------------------------------------------------------------------- errors and codes


def error_page() -> str:
    """Every failure with its status and code."""
    rows = [[f"`{e.code}`", e.status, e.title, _sentence(e)] for e in _failures(errors.WinnowError)]
    intro = (
        "Every failure is answered as `application/problem+json` (RFC 9457): `type`, `title`,\n"
        "`status`, `detail`, `instance`, `code`, `request_id`; where fields are wrong, `errors`\n"
        "lists each with its `pointer`, `code` and `detail` (see [codes](codes.md))."
    )
    heading = ["code", "status", "title", "when"]
    return _page("Errors", "service/errors.py", intro, _table(heading, rows))


def _failures(base: type[errors.WinnowError]) -> Iterator[type[errors.WinnowError]]:
    """The classes of `service.errors` below `base`, by status."""
    below = [each for child in base.__subclasses__() for each in (child, *_failures(child))]
    below = [each for each in below if each.__module__ == errors.__name__]
    yield from sorted(below, key=lambda each: (each.status, each.code))


def codes() -> str:
    """Every stable word an answer may carry."""
    tables = (
        ("Field errors", ["code", "meaning"], _quoted(CODES.items())),
        ("Policy errors", ["code", "meaning"], _quoted(POLICY_CODES.items())),
        ("Reasons", ["code", "for moderators", "priority", "for the author"], _reasons()),
        ("Labels", ["label", "reason code"], ((f"`{n}`", f"`{c[0]}`") for n, c in LABELS.items())),
        (
            "Signals",
            ["signal", "reason code", "what it notices"],
            ((f"`{code}`", f"`signal.{code}`", says) for code, says in classifier.SIGNALS),
        ),
        ("Scopes of keys", ["kind", "scopes"], _scopes()),
    )
    parts = [
        text for title, heading, rows in tables for text in (f"## {title}", _table(heading, rows))
    ]
    intro = "A reason's code may continue one of these after a dot (`ban.domain`, `signal.links`)."
    return _page("Codes", "the tables in service/pipeline and classifier", intro, *parts)


def _quoted(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((f"`{code}`", text) for code, text in rows)


def _reasons() -> Iterator[list[object]]:
    for code, text in REASONS.items():
        yield [f"`{code}`", text.moderator, text.priority, text.public]


def _scopes() -> Iterator[list[str]]:
    for kind, scopes in SCOPES.items():
        yield [kind, ", ".join(f"`{scope}`" for scope in sorted(scopes))]


def events() -> str:
    """Every event of the stream."""
    intro = (
        "`GET /v1/events` sends these as they happen, with the comment's id, version and status\n"
        "and no personal data. An event's id is its place in the stream: resume with\n"
        f"`Last-Event-ID`. Events stay readable for {KEPT_MS // DAY_MS} days; `reset` comes first\n"
        "where those asked for are gone. Webhooks send the same events, with what is public of an\n"
        "approved comment, and `webhook.test` when asked to."
    )
    return _page(
        "Events",
        "service/store/events.py",
        intro,
        _table(["event", "when"], _quoted(EVENTS.items())),
    )


# -------------------------------------------------------------------- metrics and keys


def metric_page() -> str:
    """Every Prometheus metric."""
    counted = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    asked: list[Reading] = list(health._gauges(CollectorRegistry()).values())
    rows = [*map(_metric, counted), *map(_metric, asked)]
    intro = (
        "`GET /metrics` answers in Prometheus' text format. Counters and histograms add up over\n"
        "all processes of one machine; gauges are asked of the store at that moment."
    )
    heading = ["metric", "type", "labels", "meaning"]
    return _page(
        "Metrics", "service/metrics.py and service/api/health.py", intro, _table(heading, rows)
    )


def _metric(metric: MetricWrapperBase | Reading) -> list[str]:
    described = next(iter(metric.describe()))
    name = described.name + ("_total" if described.type == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return [f"`{name}`", described.type, labels, described.documentation]


def key_page() -> str:
    """Every Redis key."""
    tree = ast.parse(inspect.getsource(keys))
    rows = [*_fixed_keys(tree), *_made_keys()]
    intro = (
        "All of Winnow's keys start with `w:`. Those of one site share the hash tag `{site}`, so\n"
        "that every script works on one slot of a cluster."
    )
    heading = ["key", "type and lifetime", "meaning"]
    return _page("Redis keys", "service/store/keys.py", intro, _table(heading, rows))


def _fixed_keys(tree: ast.Module) -> Iterator[list[str]]:
    """The constants that name a key, with the docstring behind each."""
    for found, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(found, ast.AnnAssign) and isinstance(found.target, ast.Name):
            value = getattr(keys, found.target.id)
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(value, str) and isinstance(text, ast.Constant):
                yield _key(value, str(text.value))


def _made_keys() -> Iterator[list[str]]:
    """The functions that make a key, called with the names of their arguments."""
    free = [
        f for _, f in inspect.getmembers(keys, inspect.isfunction) if f.__module__ == keys.__name__
    ]
    site = keys.SiteKeys("site")
    bound = [m for _, m in inspect.getmembers(site, inspect.ismethod) if m.__name__ != "__init__"]
    makers: list[Any] = sorted((*free, *bound), key=lambda each: each.__code__.co_firstlineno)
    for make in makers:
        names = list(inspect.signature(make).parameters)
        text = inspect.getdoc(make) or ""
        if make is not keys.place and ":" in text:  # the others name no key of their own
            yield _key(make(*(f"<{name}>" for name in names)), text)


def _key(name: str, text: str) -> list[str]:
    kind, _, meaning = text.partition(":")
    return [f"`{name}`", kind, meaning.strip()]


# -------------------------------------------------------------------------------- cli


def cli() -> str:
    """Every command with its arguments and options."""
    intro = (
        "Every command says the same with `--help`. A table, in a terminal or a pipe, becomes one\n"
        "JSON document with `--json`. A failure is one line on standard error, and the exit code\n"
        "says of which kind: 0 done, 1 something is wrong (`doctor`, `bench`), 2 usage, 65 bad\n"
        "data, 69 the store or the model is not available, 74 a file cannot be written,\n"
        "75 busy, 78 settings, 130 interrupted."
    )
    return _page("Command line", "service/commands", intro, *_commands("winnow", root))


def _commands(path: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (found := command.get_command(context, name)) is not None:
                yield from _commands(f"{path} {name}", found)
        return
    usage = [p.make_metavar(click.Context(command)) for p in command.params if _positional(p)]
    yield f"## `{' '.join([path, *usage])}`"
    yield inspect.cleandoc(command.help or "")
    rows = [_option(option) for option in command.params if isinstance(option, click.Option)]
    if rows:
        yield _table(["option", "default", "meaning"], rows)


def _positional(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Argument)


def _option(option: click.Option) -> list[str]:
    value = "" if option.is_flag else " " + option.make_metavar(click.Context(root))
    shown = option.default if option.show_default else ""
    return [f"`{', '.join(option.opts)}{value}`", str(shown), option.help or ""]


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/settings.md": setting_sources.markdown,
    "docs/reference/api.md": api,
    "docs/reference/errors.md": error_page,
    "docs/reference/codes.md": codes,
    "docs/reference/events.md": events,
    "docs/reference/metrics.md": metric_page,
    "docs/reference/keys.md": key_page,
    "docs/reference/cli.md": cli,
}
"""Every generated page, and what makes it."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
