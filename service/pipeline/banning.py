"""What a ban names: its kind, read from a text, and its value as it is matched."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal

from service.errors import invalid
from service.ids import Secrets
from service.pipeline import fields

Kind = Literal["author", "address", "domain", "ip", "cidr"]
_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}\.)+[a-z0-9-]{2,63}")
_AUTHOR: Final = re.compile(r"[A-Za-z0-9_-]{22}")


def guess(text: str) -> Kind:
    """What a text names: an address, a network, a domain or an author.

    Raises:
        Invalid: none of them.
    """
    if "@" in text:
        return "address"
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        pass
    else:
        return "cidr" if "/" in text else "ip"
    if _DOMAIN.fullmatch(text.lower()):
        return "domain"
    if _AUTHOR.fullmatch(text):
        return "author"
    raise invalid("/value", "required", "say 'kind' and 'value': the id names none")


def canonical(kind: Kind, value: str, site: str, secrets: Secrets) -> str:
    """The value as it is matched; an address becomes its author's id and is not kept.

    Raises:
        Invalid: the value is not of its kind.
    """
    try:
        match kind:
            case "address":
                return secrets.author_id(site, fields.email(value))
            case "ip":
                return str(ipaddress.ip_address(value))
            case "cidr":
                return str(ipaddress.ip_network(value, strict=False))
            case "domain" if _DOMAIN.fullmatch(value.lower()):
                return value.lower()
            case "author" if _AUTHOR.fullmatch(value):
                return value
    except (ValueError, fields.Wrong):
        pass
    raise invalid("/value", f"invalid_{kind}", f"this is not a valid {kind}")


def stored_id(secrets: Secrets, site: str, ban_id: str) -> str:
    """A ban's id as it is kept: one that holds an address is kept as the author's id."""
    if "@" not in ban_id:
        return ban_id
    return "address:" + secrets.author_id(
        site, ban_id.removeprefix("address:").removeprefix("email:")
    )
