"""What every PublicStore must do; a test class of a backend inherits it and gives ``store``."""

import threading

import pytest

from federation.merkle import EMPTY_ROOT, CompactRange
from federation.tiles import Tile
from federation.views import ALARM, EVIDENCE, OUTCOME, Drop, Put
from node.store.protocol import LogState, PublicStore, StoredCheckpoint, StoredEntry
from tests.node.log_samples import opaque, token

EMPTY_LOG = LogState(0, "night/bank-b/all", 0, CompactRange().encode(), EMPTY_ROOT, b"note")


def evidence_row(number: int, member: str = "bank-b", position: int = 0) -> tuple[object, ...]:
    values: dict[str, object] = {name: 0 for name, _ in EVIDENCE.columns}
    values |= {"token": token(number), "member": member, "statement": opaque(member, number)}
    return tuple((values | {"position": position}).values())


class StoreContract:
    def test_a_saved_log_is_read_back_and_saving_again_keeps_its_number(
        self, store: PublicStore
    ) -> None:
        with store.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            again = writer.save_log(LogState(0, EMPTY_LOG.origin, 3, b"f", b"r", b"n", b"why"))
        with store.read() as reader:
            found = reader.log(EMPTY_LOG.origin)

            assert number == again > 0
            assert found == LogState(number, EMPTY_LOG.origin, 3, b"f", b"r", b"n", b"why")
            assert reader.logs() == [found]
            assert reader.log("night/nobody/all") is None

    def test_entries_come_back_in_order_and_within_bounds(self, store: PublicStore) -> None:
        with store.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            writer.add_entries(number, 0, [b"a", None, b"c", b"d"])
        with store.read() as reader:
            found = list(reader.entries(number, 1, 3))

            assert found == [StoredEntry(1, None), StoredEntry(2, b"c")]

    def test_dropped_bodies_leave_their_entries(self, store: PublicStore) -> None:
        with store.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            writer.add_entries(number, 0, [b"a", b"b"])
            writer.drop_bodies(number, [1])
        with store.read() as reader:
            found = list(reader.entries(number, 0, 9))

            assert found == [StoredEntry(0, b"a"), StoredEntry(1, None)]

    def test_a_tile_replaces_the_earlier_one(self, store: PublicStore) -> None:
        with store.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            writer.save_tiles(number, [Tile(0, 0, b"a" * 32)])
            writer.save_tiles(number, [Tile(0, 0, b"a" * 64), Tile(1, 0, b"b" * 32)])
        with store.read() as reader:
            assert reader.tile(number, 0, 0) == b"a" * 64
            assert reader.tile(number, 1, 0) == b"b" * 32
            assert reader.tile(number, 2, 0) is None

    def test_checkpoints_come_by_size_in_both_directions(self, store: PublicStore) -> None:
        rows = [StoredCheckpoint(size, b"note%d" % size, b"key") for size in (2, 5, 9)]
        newer = StoredCheckpoint(5, b"newer", b"key")
        with store.write() as writer:
            number = writer.save_log(EMPTY_LOG)
            for row in (*rows, newer):
                writer.save_checkpoint(number, row)
        with store.read() as reader:
            assert list(reader.checkpoints(number, 3, 9)) == [newer, rows[2]]
            assert next(reader.checkpoints(number, 0, 8, newest_first=True)) == newer

    def test_changes_apply_as_if_one_after_the_other(self, store: PublicStore) -> None:
        row, other = evidence_row(1), evidence_row(2)
        key = row[:3]
        with store.write() as writer:
            writer.apply([Put("evidence", row), Put("outcome", ("bank-b", opaque(1), 1))])
            writer.apply([Drop("evidence", key), Put("evidence", row), Put("evidence", other)])
            writer.apply(
                [Put("evidence", evidence_row(1, position=7)), Drop("evidence", other[:3])]
            )
        with store.read() as reader:
            assert list(reader.rows(EVIDENCE)) == [evidence_row(1, position=7)]
            assert list(reader.rows(OUTCOME)) == [("bank-b", opaque(1), 1)]

    def test_rows_of_tokens_come_sorted_and_each_once(self, store: PublicStore) -> None:
        numbers = range(1_500)
        with store.write() as writer:
            writer.apply(Put("evidence", evidence_row(number)) for number in numbers)
        with store.read() as reader:
            wanted = [token(number) for number in (*range(900), 5, 5, 99_999)]
            found = list(reader.rows_of(EVIDENCE, wanted))

            assert [row[0] for row in found] == sorted(token(number) for number in range(900))
            assert list(reader.rows_of(EVIDENCE, [])) == []

    def test_tokens_are_counted_once_whoever_spoke(self, store: PublicStore) -> None:
        rows = [evidence_row(1, "bank-b"), evidence_row(1, "web-c"), evidence_row(2, "web-c")]
        with store.write() as writer:
            writer.apply(Put("evidence", row) for row in rows)
        with store.read() as reader:
            found = list(reader.tokens(EVIDENCE, bytes(16), b"\xff" * 16))

            assert reader.token_count(EVIDENCE) == 2
            assert found == sorted([token(1), token(2)])
            assert list(reader.tokens(EVIDENCE, token(1), token(1))) == [token(1)]
            assert reader.count(EVIDENCE, ["member"]) == [("bank-b", 1), ("web-c", 2)]

    def test_rows_are_found_by_value_and_newest_first(self, store: PublicStore) -> None:
        rows = [("bank-b", opaque(n), n, b"entry") for n in range(5)]
        with store.write() as writer:
            writer.apply(Put("alarm", row) for row in rows)
        with store.read() as reader:
            newest = reader.find(ALARM, {}, newest="issued", limit=2)

            assert newest == [rows[4], rows[3]]
            assert reader.find(ALARM, {"statement": opaque(2)}) == [rows[2]]

    def test_cleared_views_are_empty_and_fresh(self, store: PublicStore) -> None:
        with store.write() as writer:
            writer.apply([Put("evidence", evidence_row(1))])
            stale_before = writer.has_stale_views()
            writer.clear_views()
        with store.read() as reader:
            assert stale_before
            assert not reader.has_stale_views()
            assert list(reader.rows(EVIDENCE)) == []

    def test_a_failed_block_changes_nothing(self, store: PublicStore) -> None:
        def fail() -> None:
            with store.write() as writer:
                number = writer.save_log(EMPTY_LOG)
                writer.add_entries(number, 0, [b"a"])
                writer.apply([Put("evidence", evidence_row(1)), Put("no such table", (1,))])

        with pytest.raises(KeyError):
            fail()
        with store.read() as reader:
            assert reader.logs() == []
            assert list(reader.rows(EVIDENCE)) == []

    def test_a_reader_sees_one_moment(self, store: PublicStore) -> None:
        with store.read() as reader:
            before = reader.logs()
            with store.write() as writer:
                writer.save_log(EMPTY_LOG)
            during = reader.logs()
        with store.read() as reader:
            after = reader.logs()

        assert before == during == []
        assert len(after) == 1

    def test_writers_of_several_threads_take_turns(self, store: PublicStore) -> None:
        def add(origin: str) -> None:
            for size in range(20):
                with store.write() as writer:
                    writer.save_log(LogState(0, origin, size, b"", b"", b""))

        threads = [threading.Thread(target=add, args=(f"night/m{n}/all",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        with store.read() as reader:
            assert [state.size for state in reader.logs()] == [19] * 4
