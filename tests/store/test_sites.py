"""Requirements of sites, policies, keys, sessions and rate limits."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import Conflict, NotFound, PreconditionFailed
from service.ids import Secrets
from service.records import ApiKey, Ban, Moderator, Policy, Site
from service.store import Store, codec
from service.store.api_keys import digest
from service.store.connect import BATCH
from service.store.keys import MODERATORS, SITES, SITES_DELETING, SiteKeys, session
from service.store.limits import Bucket, Rate, Taken
from service.store.sessions import IDLE_S, LONGEST_S
from service.store.sites import BANS_MAX, GONE
from tests.store.builders import NOW, all_of, build, make_site, passed, put


async def test_a_site_reads_back_with_policy_and_bans_under_one_version(store: Store) -> None:
    site, version = await make_site(store)
    ban = Ban(id="spam.example", kind="domain", value="spam.example", created_at=NOW)
    await store.sites.ban(site.id, ban)
    found = await store.sites.configuration(site.id)
    assert found is not None
    assert (found.site, found.policy, found.bans) == (site, Policy(), (ban,))
    assert found.version == version + 1


async def test_every_change_of_a_site_is_a_new_version(store: Store) -> None:
    site, first = await make_site(store)
    ban = Ban(id="b.example", kind="domain", value="b.example")
    seen = [first]
    for change in (
        store.sites.change(Site(id=site.id, number=site.number, name="New")),
        store.sites.save_policy(site.id, Policy(), expected=None),
        store.sites.ban(site.id, ban),
        store.sites.unban(site.id, ban.id),
    ):
        await change
        found = await store.sites.configuration(site.id)
        assert found is not None
        seen.append(found.version)
    assert seen == list(range(first, first + 5))
    assert await store.sites.unban(site.id, ban.id) is False


async def test_policy_versions_count_up_and_all_are_kept(store: Store) -> None:
    site, _ = await make_site(store)
    for hold_first in (5, 6, 7):
        policy = Policy(authors=msgspec.structs.replace(Policy().authors, hold_first=hold_first))
        await store.sites.save_policy(site.id, policy, expected=None)
    kept = [await store.sites.policy(site.id, version) for version in (1, 2, 3, 4)]
    assert [p and (p.version, p.authors.hold_first) for p in kept] == [
        (1, 1), (2, 5), (3, 6), (4, 7),
    ]  # fmt: skip
    assert await store.sites.policy(site.id, 5) is None


async def test_a_policy_is_not_saved_over_a_version_the_caller_did_not_see(store: Store) -> None:
    site, _ = await make_site(store)
    await store.sites.save_policy(site.id, Policy(), expected=1)
    with pytest.raises(PreconditionFailed):
        await store.sites.save_policy(site.id, Policy(), expected=1)
    assert (await store.sites.save_policy(site.id, Policy(), expected=2)).version == 3
    with pytest.raises(NotFound):
        await store.sites.save_policy("nowhere", Policy(), expected=None)


async def test_of_racing_savers_who_saw_one_version_exactly_one_wins(store: Store) -> None:
    site, _ = await make_site(store)
    saves = [store.sites.save_policy(site.id, Policy(), expected=1) for _ in range(20)]
    outcomes = await all_of(*saves)
    assert sum(isinstance(outcome, Policy) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, PreconditionFailed) for outcome in outcomes) == 19


async def test_a_site_whose_maker_died_halfway_is_listed_by_the_next_try(store: Store) -> None:
    site, _ = await make_site(store)
    await store.wire.client.hdel(SITES, site.id)  # as if the process ended before the last write
    with pytest.raises(Conflict):
        await make_site(store)
    assert await store.sites.all() == [site.id]
    assert await store.sites.by_number(site.number) == site.id


async def test_no_reader_sees_old_bans_under_a_new_version(store: Store, redis_url: str) -> None:
    site, first = await make_site(store)
    reader = Store(redis_url, Secrets(bytes(32)))
    stopping = asyncio.Event()

    async def watch() -> None:
        while not stopping.is_set():
            # Fills the batch up to its last place, so that a second command goes by another one.
            others = [reader.wire.execute("PING") for _ in range(BATCH - 1)]
            found = await reader.sites.configuration(site.id)
            assert found is not None
            assert len(found.bans) == found.version - first
            await asyncio.gather(*others)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            for i in range(400):
                ban = Ban(id=f"{i}", kind="domain", value=f"{i}.example")
                await store.sites.ban(site.id, ban)
            stopping.set()
    finally:
        await reader.close()


async def test_a_version_that_is_held_already_is_not_read_again(store: Store) -> None:
    site, version = await make_site(store)
    assert await store.sites.newer(site.id, version) == version
    assert await store.sites.newer(site.id, version - 1) == await store.sites.configuration("blog")
    assert await store.sites.newer("nowhere", version) is None


async def test_a_site_takes_a_hundred_thousand_bans_and_no_more(store: Store) -> None:
    site, _ = await make_site(store)
    row = codec.encode(Ban(id="b", kind="domain", value="b.example"))
    for start in range(0, BANS_MAX, 10_000):
        rows = {f"b{i}": row for i in range(start, start + 10_000)}
        await store.wire.client.hset(SiteKeys(site.id).bans(), mapping=rows)
    with pytest.raises(Conflict, match="100,000 bans"):
        await store.sites.ban(site.id, Ban(id="one more", kind="domain", value="c.example"))
    await store.sites.ban(site.id, Ban(id="b7", kind="domain", value="c.example"))  # replaces one


# -------------------------------------------------------------------------- deletion


async def interrupted(store: Store, site: str) -> None:
    """A deletion whose process ended after its first step."""
    await store.wire.client.unlink(SiteKeys(site).config())
    await store.wire.client.sadd(SITES_DELETING, site)


async def left_of(store: Store, site: str) -> list[bytes]:
    return [name async for name in store.wire.client.scan_iter(SiteKeys(site).prefix() + "*")]


async def test_an_interrupted_deletion_is_finished_by_the_next(store: Store) -> None:
    site, version = await make_site(store)
    await put(store, build(site), version)
    key = await store.api_keys.add(ApiKey(id="k", kind="secret", site="blog"))
    await interrupted(store, "blog")
    assert await store.sites.all() == []
    assert await store.sites.deleting() == ["blog"]
    await store.sites.delete("blog")
    assert await left_of(store, "blog") == []
    assert await store.api_keys.find(key) is None
    assert (await store.sites.all(), await store.sites.deleting()) == ([], [])
    with pytest.raises(NotFound):
        await store.sites.delete("blog")


async def test_a_site_without_configuration_that_is_still_listed_can_be_deleted(
    store: Store,
) -> None:
    await make_site(store)
    await store.wire.client.unlink(SiteKeys("blog").config())
    assert await store.sites.deleting() == ["blog"]
    await store.sites.delete("blog")
    assert await store.wire.client.hexists(SITES, "blog") == 0


async def test_no_site_is_made_under_an_id_that_is_still_being_deleted(store: Store) -> None:
    await make_site(store)
    await interrupted(store, "blog")
    with pytest.raises(Conflict, match="still being deleted"):
        await make_site(store)
    await store.sites.remove("blog")
    site, _ = await make_site(store)
    assert site.number == 2


async def test_a_remover_who_comes_late_takes_nothing_of_a_site_made_anew(store: Store) -> None:
    site, version = await make_site(store)
    await put(store, build(site), version)
    key = await store.api_keys.add(ApiKey(id="k", kind="secret", site="blog"))
    before = sorted(await left_of(store, "blog"))
    await store.sites.remove("blog")
    assert sorted(await left_of(store, "blog")) == before
    assert await store.api_keys.find(key) is not None
    assert await store.sites.all() == ["blog"]


async def test_a_site_of_many_keys_is_removed_whole_and_its_neighbour_not(store: Store) -> None:
    await make_site(store)
    await make_site(store, "blog-two")
    neighbour = sorted(await left_of(store, "blog-two"))
    for i in range(3000):
        store.wire.execute("SET", SiteKeys("blog").text(str(i)), "1")
    await store.sites.delete("blog")
    assert await left_of(store, "blog") == []
    assert sorted(await left_of(store, "blog-two")) == neighbour


async def test_a_deleted_site_is_taken_from_its_moderators_and_none_gains_by_it(
    store: Store,
) -> None:
    await make_site(store)
    await make_site(store, "two")
    for name, role, sites in (
        ("only", "moderator", ("blog",)),
        ("ruler", "admin", ("blog",)),
        ("both", "viewer", ("blog", "two")),
        ("all", "admin", ()),
    ):
        person = Moderator(id=name, name=name, email="a@b.example", role=role, sites=sites)  # type: ignore[arg-type]
        await store.api_keys.add_moderator(person)
    await store.sites.delete("blog")
    left = {person.id: person.sites for person in await store.api_keys.moderators()}
    assert left == {"only": (GONE,), "ruler": (GONE,), "both": ("two",), "all": ()}


# ------------------------------------------------------------------------------ keys


async def test_a_key_is_found_by_itself_and_never_stored(
    store: Store, operator: redis.Redis
) -> None:
    await make_site(store)
    record = ApiKey(id="k1", kind="secret", site="blog", label="server", created_at=NOW)
    key = await store.api_keys.add(record)
    assert key.startswith("sk_")
    found = await store.api_keys.find(key)
    assert found == record
    assert record.hint == key[-4:]
    names = [name async for name in store.wire.client.scan_iter()]
    raw = [operator.dump(name) for name in names]
    assert not any(key.encode() in blob for blob in [*names, *raw])


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("publishable", "pk_"), ("secret", "sk_"), ("personal", "mt_"), ("admin", "ak_")],
)
async def test_each_kind_of_key_has_its_prefix(store: Store, kind: str, prefix: str) -> None:
    record = ApiKey(id="k", kind=kind)  # type: ignore[arg-type]
    assert (await store.api_keys.add(record)).startswith(prefix)


async def test_a_compat_key_is_twelve_lower_case_letters_and_digits(store: Store) -> None:
    key = await store.api_keys.add(ApiKey(id="k", kind="compat", site="blog"))
    assert len(key) == 12
    assert key.isascii()
    assert key.isalnum()
    assert key == key.lower()


async def test_a_revoked_key_is_unknown_and_unlisted(store: Store) -> None:
    keys = [
        await store.api_keys.add(ApiKey(id=f"k{i}", kind="secret", site="blog", created_at=i))
        for i in range(3)
    ]
    assert [record.id for record in await store.api_keys.of_site("blog")] == ["k0", "k1", "k2"]
    assert await store.api_keys.revoke("other", "k1") is False
    assert await store.api_keys.revoke("blog", "k1") is True
    assert await store.api_keys.revoke("blog", "k1") is False
    assert [record.id for record in await store.api_keys.of_site("blog")] == ["k0", "k2"]
    assert [await store.api_keys.find(key) is None for key in keys] == [False, True, False]


async def test_deleting_a_site_ends_its_keys(store: Store) -> None:
    await make_site(store)
    key = await store.api_keys.add(ApiKey(id="k", kind="secret", site="blog"))
    await store.sites.delete("blog")
    assert await store.api_keys.find(key) is None
    assert await store.wire.client.exists(f"w:key:{digest(key)}") == 0
    assert await store.wire.client.exists(SiteKeys("blog").api_keys()) == 0


async def test_a_sign_in_token_works_once(store: Store) -> None:
    ann = Moderator(id="m1", name="Ann", email="ann@staff.example", role="moderator")
    await store.api_keys.add_moderator(ann)
    token = await store.api_keys.new_sign_in("m1")
    assert await store.api_keys.use_sign_in(token) == ann
    assert await store.api_keys.use_sign_in(token) is None
    assert await store.api_keys.use_sign_in("made-up") is None


# -------------------------------------------------------------------------- sessions


async def opened(store: Store, moderator: str = "m1", generation: str = "g1") -> str:
    agent = "Firefox " * 100
    return await store.sessions.open(moderator, NOW, generation=generation, by="link", agent=agent)


async def test_a_session_lives_half_an_hour_after_its_last_use(store: Store) -> None:
    token = await opened(store)
    key = session(digest(token))
    found = await store.sessions.find(token, NOW + 60_000)
    assert found
    assert (found.moderator, found.generation, found.by, len(found.agent)) == (
        "m1", "g1", "link", 200,
    )  # fmt: skip
    assert IDLE_S - 5 <= await store.wire.client.ttl(key) <= IDLE_S
    assert int(await store.wire.client.hget(key, "seen")) == NOW + 60_000


async def test_a_session_ends_twelve_hours_after_its_start_however_used(store: Store) -> None:
    token = await opened(store)
    almost = NOW + (LONGEST_S - 10) * 1000
    assert await store.sessions.find(token, almost)
    assert await store.wire.client.ttl(session(digest(token))) <= 10
    assert await store.sessions.find(token, NOW + LONGEST_S * 1000) is None
    assert await store.sessions.find(token, NOW) is None


async def test_a_closed_session_is_unknown(store: Store) -> None:
    token = await opened(store)
    await store.sessions.close(token)
    assert await store.sessions.find(token, NOW) is None
    assert await store.sessions.of("m1", "g1") == []


async def test_sessions_are_listed_and_closed_by_name_without_their_cookie(store: Store) -> None:
    first, second = await opened(store), await opened(store)
    await opened(store, "m2")
    await opened(store, generation="g0")
    listed = await store.sessions.of("m1", "g1")
    assert len(listed) == 2
    assert not any(token in str(listed) for token in (first, second))
    name = next(s.id for s in listed if digest(first).startswith(s.id))
    assert await store.sessions.close_one("m2", name) is False
    assert await store.sessions.close_one("m1", name) is True
    assert await store.sessions.close_one("m1", name) is False
    assert await store.sessions.find(first, NOW) is None
    await store.sessions.close_all("m1")
    assert await store.sessions.find(second, NOW) is None
    assert len(await store.sessions.of("m2", "g1")) == 1


async def test_a_moderator_is_replaced_only_as_they_were_read(store: Store) -> None:
    """Of two admins at once one is told; who was removed does not come back."""
    ann = Moderator(id="m1", name="Ann", email="ann@staff.example", role="moderator")
    await store.api_keys.add_moderator(ann)
    viewer = msgspec.structs.replace(ann, role="viewer")
    done = [await store.api_keys.replace_moderator(ann, each) for each in (viewer, viewer, None)]
    assert done == [True, False, False]
    assert await store.api_keys.replace_moderator(viewer, None)
    assert not await store.api_keys.replace_moderator(viewer, ann)
    assert await store.api_keys.moderators() == []


async def test_a_moderator_written_by_an_older_release_is_changed_like_any_other(
    store: Store,
) -> None:
    old = {"id": "m1", "name": "Ann", "email": "", "role": "admin", "sites": [], "created_at": 1}
    await store.wire.client.hset(MODERATORS, "m1", codec.encode(old))
    ann = await store.api_keys.moderator("m1")
    assert ann
    disabled = msgspec.structs.replace(ann, disabled=True)
    assert await store.api_keys.replace_moderator(ann, disabled)
    assert await store.api_keys.moderator("m1") == disabled


# ---------------------------------------------------------------------------- limits


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(burst=st.integers(1, 40), more=st.integers(0, 40))
def test_of_a_crowd_exactly_the_burst_is_let_through(server: object, burst: int, more: int) -> None:
    import asyncio

    from service.ids import Secrets, random_id

    async def scenario() -> list[Taken]:
        store = Store(server.url, Secrets(bytes(range(32))))  # type: ignore[attr-defined]
        await store.open()
        try:
            # So slow a refill that none comes while the test runs.
            rate, name = Rate(burst=burst, window_s=86_400), random_id()
            asks = [store.limits.take([Bucket("test", name, rate)]) for _ in range(burst + more)]
            return [one for (one,) in await asyncio.gather(*asks)]
        finally:
            await store.close()

    taken = asyncio.run(scenario())
    assert sum(one.allowed for one in taken) == burst
    assert sorted(one.left for one in taken if one.allowed) == list(range(burst))
    assert all(one.retry_ms > 0 for one in taken if not one.allowed)


async def test_a_limit_tells_when_to_come_back_and_then_lets_one_through(store: Store) -> None:
    rate = Rate(burst=2, window_s=1)
    taken = [(await store.limits.take([Bucket("test", "a", rate)]))[0] for _ in range(3)]
    assert [one.allowed for one in taken] == [True, True, False]
    assert 0 < taken[2].retry_ms <= 500
    seconds, micros = await store.wire.client.time()
    due = seconds * 1000 + micros // 1000 + taken[2].retry_ms + 1
    await passed(store, due)
    assert (await store.limits.take([Bucket("test", "a", rate)]))[0].allowed


async def test_buckets_of_different_names_are_apart(store: Store) -> None:
    rate = Rate(burst=1, window_s=3600)
    assert (await store.limits.take([Bucket("test", "a", rate)]))[0].allowed
    assert (await store.limits.take([Bucket("test", "b", rate)]))[0].allowed
    assert not (await store.limits.take([Bucket("test", "a", rate)]))[0].allowed
