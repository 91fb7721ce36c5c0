import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from node.duties.warning_table import WarningTable
from node.errors import RequestError
from node.store.private import PrivateStore
from tests.node.log_samples import token
from tests.node.private_place import PrivatePlace

PHONE, DOMAIN = 1, 2


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "node" / "private.db"
    PrivateStore(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_watch_row_is_new_once(private: PrivateStore) -> None:
    rows = [(token(1), PHONE, "line-1"), (token(1), PHONE, "line-2"), (token(2), DOMAIN, "shop")]

    assert private.add_watch(rows) == [True, True, True]
    assert private.add_watch([rows[0], (token(3), PHONE, "line-3")]) == [False, True]
    assert private.watch_count() == 4


def test_watched_tokens_are_found_in_large_batches(private: PrivateStore) -> None:
    private.add_watch((token(number), PHONE, f"line-{number}") for number in range(0, 3_000, 3))
    found = private.watched([token(number) for number in range(2_000)])

    assert found == {token(number) for number in range(0, 2_000, 3)}
    assert private.watched([]) == set()


def test_paging_the_watchlist_gives_every_row_once(private: PrivateStore) -> None:
    rows = sorted((token(number % 7), PHONE, f"line.{number}") for number in range(40))
    private.add_watch(rows)
    seen, after = [], ""
    while page := private.list_watch(after, 6):
        seen += [(entry.token, entry.kind, entry.reference) for entry in page]
        after = page[-1].cursor

    assert seen == rows


def test_hits_are_listed_newest_first_with_their_references(private: PrivateStore) -> None:
    private.add_watch((token(number), PHONE, f"line-{number}") for number in range(5))
    private.add_watch([(token(2), PHONE, "second")])
    private.add_hits([(token(1), 100), (token(2), 300), (token(3), 200)])
    seen, after = [], ""
    while page := private.list_hits(after, 1):
        seen += [(hit.reference, hit.first_seen) for hit in page]
        after = page[-1].cursor

    assert seen == [("line-2", 300), ("second", 300), ("line-3", 200), ("line-1", 100)]
    assert private.hit_count() == 4


def test_a_hit_keeps_the_time_it_was_first_seen(private: PrivateStore) -> None:
    private.add_watch([(token(1), PHONE, "line-1")])

    assert private.add_hits([(token(1), 100)]) == [token(1)]
    assert private.add_hits([(token(1), 900)]) == []
    assert private.list_hits("", 10)[0].first_seen == 100


def test_hits_go_with_their_last_watch_row(private: PrivateStore) -> None:
    rows = [(token(1), PHONE, "line-1"), (token(1), PHONE, "line-2")]
    private.add_watch(rows)
    private.add_hits([(token(1), 100)])

    assert private.remove_watch(rows[:1]) == [True]
    assert private.hit_count() == 1
    assert private.remove_watch(rows) == [False, True]
    assert private.hit_count() == 0
    private.add_watch(rows)
    assert private.hit_count() == 0


def test_an_empty_reference_removes_all_rows_of_a_token_and_its_keys(private: PrivateStore) -> None:
    private.add_watch([(token(1), PHONE, "line-1"), (token(1), PHONE, "line-2")])
    private.add_watch([(token(1), DOMAIN, "line-1"), (token(2), PHONE, "line-3")])
    WarningTable(private).keep_keys([(token(1), b"key"), (token(2), b"other")])

    assert private.remove_watch([(token(1), PHONE, ""), (token(3), PHONE, "")]) == [True, False]
    assert [entry.kind for entry in private.list_watch("", 9)].count(DOMAIN) == 1
    assert WarningTable(private).content_key(token(1)) == b"key"
    assert private.remove_watch([(token(1), DOMAIN, "line-1")] * 2) == [True, True]
    assert WarningTable(private).content_key(token(1)) is None
    assert WarningTable(private).content_key(token(2)) == b"other"
    assert private.watch_count() == 1


def test_hits_of_one_second_are_paged_without_a_gap(private: PrivateStore) -> None:
    rows = [(token(number // 3), PHONE, f"line-{number:02}") for number in range(30)]
    private.add_watch(rows)
    private.add_hits([(token(number), 100 + number // 5) for number in range(10)])
    seen, after = [], ""
    while page := private.list_hits(after, 7):
        seen += page
        after = page[-1].cursor

    assert sorted((hit.token, hit.kind, hit.reference) for hit in seen) == sorted(rows)
    assert [hit.first_seen for hit in seen] == [101] * 15 + [100] * 15


@pytest.mark.parametrize("cursor", ["nonsense", "1.2.3", "1.zz.1.aa", "x.aa.1.aa", "1.aa.1.ff"])
def test_a_foreign_cursor_is_refused(private: PrivateStore, cursor: str) -> None:
    for page in (private.list_watch, private.list_hits):
        with pytest.raises(RequestError) as caught:
            page(cursor, 10)

        assert caught.value.reason == "PAGE_TOKEN_INVALID"


def test_a_charge_is_taken_whole_or_not_at_all(private: PrivateStore) -> None:
    charges = [private.charge("a/phone/1", amount, 10) for amount in (4, 7, 6, 1, 0)]

    assert [charge.granted for charge in charges] == [True, False, True, False, True]
    assert [charge.used for charge in charges] == [4, 4, 10, 10, 10]
    assert [charge.remaining for charge in charges] == [6, 6, 0, 0, 0]
    assert private.used("a/phone/1") == 10
    assert private.used("b/phone/1") == 0


def test_a_charge_is_never_negative(private: PrivateStore) -> None:
    with pytest.raises(ValueError, match="negative"):
        private.charge("a", -1, 10)


def test_a_charge_is_durable(private: PrivateStore, private_place: PrivatePlace) -> None:
    private.charge("a", 3, 10)
    with closing(private_place.open()) as again:
        assert again.used("a") == 3


def in_processes(place: PrivatePlace, work: Callable[[PrivateStore], None]) -> None:
    """Work in three threads, each with a store of its own, as another process would have."""
    stores = [place.open() for _ in range(3)]
    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()


def test_processes_never_charge_more_than_the_limit(private_place: PrivatePlace) -> None:
    granted: list[bool] = []

    def charge(store: PrivateStore) -> None:
        granted.extend(store.charge("a", 1, 40).granted for _ in range(20))

    in_processes(private_place, charge)
    with closing(private_place.open()) as store:
        assert (granted.count(True), store.used("a")) == (40, 40)


def test_processes_never_set_more_aside_than_their_limit(private_place: PrivatePlace) -> None:
    granted: list[bool] = []

    def reserve(store: PrivateStore) -> None:
        keys = (f"rows/{id(store)}/{number}" for number in range(10))
        granted.extend(store.set_aside(key, "rows/", 2, 41).granted for key in keys)

    in_processes(private_place, reserve)
    with closing(private_place.open()) as store:
        assert (granted.count(True), sum(store.quotas("rows/").values())) == (20, 40)


def test_processes_lose_no_change_of_a_setting(private_place: PrivatePlace) -> None:
    def count(store: PrivateStore) -> None:
        for _ in range(20):
            store.change("count", lambda known: str(int(known or b"0") + 1).encode())

    in_processes(private_place, count)
    with closing(private_place.open()) as store:
        assert store.get("count") == b"60"


def test_processes_agree_on_a_key_that_is_made_once(private_place: PrivatePlace) -> None:
    found: list[bytes] = []
    in_processes(
        private_place,
        lambda store: found.append(store.get_or_put("k", bytes(str(id(store)), "ascii"))),
    )

    assert len(set(found)) == 1


def test_counters_of_a_prefix_are_listed_and_removed(private: PrivateStore) -> None:
    for key in ("1/a", "1/b", "2/a", "%"):
        private.charge(key, 1, 10)

    assert private.quotas("1/") == {"1/a": 1, "1/b": 1}
    assert private.remove_quotas("1/") == 2
    assert private.quotas() == {"2/a": 1, "%": 1}


def test_own_values_are_found_by_token_and_paged(private: PrivateStore) -> None:
    values = [(token(number), PHONE, f"+8613800{number:06}") for number in range(900)]
    private.put_values(values, 1)
    private.put_values(values[:10], 1)
    seen, after = [], b""
    while page := private.list_values(after, 250):
        seen += [(one, value.kind, value.value) for one, value in page]
        after = page[-1][0]

    assert private.values([token(5), token(9_999)])[token(5)].value == "+8613800000005"
    assert len(private.values([token(5), token(9_999)])) == 1
    assert seen == sorted(values)
    assert private.remove_values([token(5)]) == 1
    assert private.values([token(5)]) == {}


def test_the_tokens_of_own_values_are_known_by_kind_value_and_epoch(private: PrivateStore) -> None:
    private.put_values([(token(1), PHONE, "one"), (token(2), DOMAIN, "two")], 1)
    private.put_values([(token(3), PHONE, "one")], 2)
    asked = [(PHONE, "one"), (PHONE, "two"), (DOMAIN, "two"), (PHONE, "three")]

    assert private.known_tokens(asked, 1) == {
        (PHONE, "one"): token(1),
        (DOMAIN, "two"): token(2),
    }
    assert private.known_tokens(asked, 2) == {(PHONE, "one"): token(3)}
    assert private.known_tokens([], 1) == {}


def test_protected_values_are_found_with_their_kind(private: PrivateStore) -> None:
    private.add_protected([(PHONE, "110"), (PHONE, "119"), (DOMAIN, "police.example")])
    asked = {(PHONE, "110"), (DOMAIN, "110"), (DOMAIN, "police.example"), (PHONE, "12345")}

    assert private.add_protected([(PHONE, "110")]) == 0
    assert private.protected_values(asked) == {(PHONE, "110"), (DOMAIN, "police.example")}
    assert private.remove_protected([(PHONE, "110")]) == 1
    assert private.protected_values({(PHONE, "110")}) == set()


def test_settings_are_put_got_and_deleted(private: PrivateStore) -> None:
    private.put("a", b"1")
    private.put("a", b"2")

    assert private.get("a") == b"2"
    private.delete("a")
    private.delete("a")
    assert private.get("a") is None


def test_no_repr_shows_a_raw_value_or_reference(private: PrivateStore) -> None:
    private.add_watch([(token(1), PHONE, "customer-77")])
    private.put_values([(token(1), PHONE, "+8613800000000")], 1)
    private.add_hits([(token(1), 1)])
    shown = repr([private.list_watch("", 1), private.list_hits("", 1), private.values([token(1)])])

    assert "customer" not in shown
    assert "13800" not in shown


def test_counters_that_share_a_limit_hold_an_amount_once(private: PrivateStore) -> None:
    first = [private.set_aside("rows/a", "rows/", 6, 10) for _ in range(2)]
    refused = private.set_aside("rows/b", "rows/", 5, 10)
    more = private.set_aside("rows/a", "rows/", 8, 10)

    assert [charge.granted for charge in first] == [True, True]
    assert (refused.granted, refused.used, refused.remaining) == (False, 6, 4)
    assert (more.granted, more.used) == (True, 8)
    assert private.quotas() == {"rows/a": 8}


def test_a_setting_that_is_made_once_stays(private: PrivateStore) -> None:
    assert private.get_or_put("key", b"1") == b"1"
    assert private.get_or_put("key", b"2") == b"1"


def test_a_setting_changes_by_what_it_is_and_takes_its_counters_along(
    private: PrivateStore,
) -> None:
    private.charge("of/a", 1, 10)
    kept = private.change("hour", lambda known: known or b"1", counters="of/")
    private.charge("of/b", 1, 10)
    same = private.change("hour", lambda known: known or b"2", counters="of/")

    assert (kept, same) == (b"1", b"1")
    assert private.quotas() == {"of/b": 1}
