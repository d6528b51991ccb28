"""The secret mark: tells at the start whether the data were sealed under this secret.

Under another secret nothing sealed can be opened, no author is found again and no receipt is valid;
going on would mix two secrets' data for good. So a process that has the wrong one does not start.
"""

from __future__ import annotations

import hmac
from typing import Final

from service.ids import Secrets
from service.settings import SettingsError
from service.store.connect import Wire
from service.store.keys import BOOTSTRAPPED, SECRET_MARK

SCHEME: Final = "1"
"""How things are sealed: what belongs to an author under the author's own key."""


async def check(wire: Wire, secrets: Secrets) -> None:
    """Marks new data with the secret, and compares the mark of others.

    Raises:
        SettingsError: the data belong to another secret, or were sealed as no release does it.
        Unavailable: the store is away; nothing is known.
    """
    mark = f"{SCHEME}:{secrets.subkey('mark').hex()[:32]}".encode()
    found: bytes | None = await wire.execute("GET", SECRET_MARK)
    if found is None:
        if await wire.execute("EXISTS", BOOTSTRAPPED):
            raise SettingsError(
                "WINNOW_REDIS_URL: these data were written before authors had keys of their own, "
                "by a development version; export them with that version and import them anew"
            )
        await wire.execute("SET", SECRET_MARK, mark, "NX")
        found = await wire.execute("GET", SECRET_MARK)
    if found is None or not hmac.compare_digest(found, mark):
        raise SettingsError(
            "WINNOW_SECRET: the data belong to another secret, and nothing sealed under it could "
            "be opened; set the secret they were made with (without WINNOW_SECRET it is the file "
            "'secret' in the data folder)"
        )
