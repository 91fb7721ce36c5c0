"""Append batches for ever and print each acknowledged size; started and killed by a test."""

import itertools
import sys
from pathlib import Path

from tests.node.log_samples import MEMBERS, nomination, nominations, open_ledger, retraction


def main() -> None:
    _, ledger = open_ledger(Path(sys.argv[1]))
    size = ledger.size(ledger.own)
    for number in itertools.count(size, 7):
        retracted = [retraction(MEMBERS[0], number - 3)] if number > 3 else []
        batch = [*nominations(MEMBERS[0], number, 40), nomination(MEMBERS[0], number), *retracted]
        size = ledger.append(batch).first + len(batch)
        print(size, flush=True)


if __name__ == "__main__":
    main()
