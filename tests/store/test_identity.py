"""A store that lost its data, or holds another's, is noticed, refused, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from service.errors import Unavailable
from service.store import Store, epochs
from service.store.identity import Identity, claim
from service.store.keys import BOOTSTRAPPED
from service.store.launching import DataRefusedError
from tests.conftest import Winnow, until


def test_an_epoch_keeps_its_origin_through_generations_and_no_two_restores_are_alike() -> None:
    first = epochs.fresh()
    second, other = epochs.restored(first), epochs.restored(first)
    third = epochs.restored(second)
    assert len({first, second, other, third}) == 4
    assert {epochs.origin(each) for each in (first, second, other, third)} == {first}
    assert [epochs.generation(each) for each in (first, second, third)] == [1, 2, 3]
    for wrong in ("", "x", first + ".", first + ".2", first + ".2-", "../" + first):
        with pytest.raises(ValueError, match="is no epoch"):
            epochs.origin(wrong)


async def test_a_server_of_its_own_is_remembered_and_refused_once_it_lost_its_data(
    store: Store, operator: redis.Redis, tmp_path: Path
) -> None:
    marker = tmp_path / "data" / "remote-epoch"
    await claim(store.wire, marker)
    known = marker.read_text().strip()
    assert operator.get(epochs.KEY) == known.encode()
    await claim(store.wire, marker)
    another = tmp_path / "another machine" / "remote-epoch"
    await claim(store.wire, another)
    assert another.read_text().strip() == known
    operator.set(epochs.KEY, epochs.restored(known))
    with pytest.raises(DataRefusedError, match="holds other data"):
        await claim(store.wire, marker)
    operator.flushall()
    with pytest.raises(DataRefusedError, match="came up empty") as refused:
        await claim(store.wire, marker)
    assert refused.value.exit_code == 65
    assert operator.dbsize() == 0, "something was written to the store that was refused"


async def test_data_of_a_release_without_epochs_get_one(
    store: Store, operator: redis.Redis, tmp_path: Path
) -> None:
    operator.set(BOOTSTRAPPED, "1")
    await claim(store.wire, tmp_path / "remote-epoch")
    assert operator.get(epochs.KEY) == (tmp_path / "remote-epoch").read_bytes().strip()


async def test_a_marker_that_cannot_be_written_stops_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    await claim(store.wire, tmp_path / "file" / "remote-epoch")


async def test_nothing_is_asked_of_a_store_that_is_not_ours_until_it_is_again(
    store: Store, operator: redis.Redis, tmp_path: Path
) -> None:
    identity = Identity(store.wire, tmp_path / "epoch")
    operator.set(epochs.KEY, "ab" * 16)
    await identity.look()  # what is seen first is ours, where no file says otherwise
    assert identity.problem == ""
    operator.flushall()
    await identity.look()
    assert "came up empty" in identity.problem
    for _ in range(2):
        with pytest.raises(Unavailable, match="must restore them first"):
            await store.wire.execute("SET", "w:probe", 1)
        await identity.look()
    assert operator.dbsize() == 0
    operator.set(epochs.KEY, "ab" * 16)
    await identity.look()
    assert identity.problem == ""
    assert await store.sites.all() == []


async def test_the_file_beside_the_data_counts_from_the_first_look(
    store: Store, operator: redis.Redis, tmp_path: Path
) -> None:
    """A process that starts after the loss has seen no other epoch."""
    (tmp_path / "epoch").write_text("cd" * 16 + "\n")
    identity = Identity(store.wire, tmp_path / "epoch")
    await identity.look()
    assert "came up empty" in identity.problem


def test_a_service_whose_store_was_emptied_answers_503_and_does_not_start_again(
    launch_winnow: Callable[..., Winnow],
) -> None:
    winnow = launch_winnow()
    site = winnow.site(plain=True)
    assert site.submit().status_code == 201
    with redis.Redis.from_url(winnow.admin_redis_url) as client:
        client.flushall()
        until(lambda: winnow.http.get("/readyz").status_code == 503, 20)
        checks = {row["name"]: row for row in winnow.http.get("/readyz").json()["checks"]}
        assert "came up empty" in checks["data"]["detail"]
        until(lambda: site.submit().status_code == 503, 20)  # the other process looks, too
        assert winnow.admin("POST", "/v1/sites", json={"id": "new"}).status_code == 503
        assert [name for name in client.scan_iter() if b"{" in name] == []
    winnow.stop()
    with pytest.raises(AssertionError, match="the server came up without them"):
        winnow.start()
    assert winnow.process.returncode == 65
