"""Remember how large each peer says that each log is; a claim is a hint and proves nothing."""

from federation.names import MemberId, Origin


class Claims:
    """Sizes by log and peer; used from the event loop alone.

    Callers note only members and logs of the charter, which bounds it.
    """

    def __init__(self) -> None:
        self._sizes: dict[Origin, dict[MemberId, int]] = {}

    def note(self, peer: MemberId, origin: Origin, size: int) -> None:
        """Note a size, unless the peer already claimed more."""
        sizes = self._sizes.setdefault(origin, {})
        sizes[peer] = max(size, sizes.get(peer, 0))

    def correct(self, peer: MemberId, origin: Origin, size: int) -> None:
        """Replace a claim by what the peer really had."""
        self._sizes.setdefault(origin, {})[peer] = size

    def size(self, peer: MemberId, origin: Origin) -> int | None:
        """Return what a peer last claimed, or None."""
        return self._sizes.get(origin, {}).get(peer)

    def largest(self, origin: Origin) -> int:
        """Return the largest claim; 0 without any."""
        return max(self._sizes.get(origin, {}).values(), default=0)

    def holders(self, origin: Origin, above: int) -> list[MemberId]:
        """Return the peers that claim more than a size, the largest claim first."""
        sizes = self._sizes.get(origin, {})
        found = [peer for peer, size in sizes.items() if size > above]
        return sorted(found, key=lambda peer: (-sizes[peer], peer))
