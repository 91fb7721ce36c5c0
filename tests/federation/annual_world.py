"""Members' logs over the turn of a year, and the reports that are made of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from federation.annual import Format, Log, Question, report_year, write_report
from federation.names import MemberId, Origin
from federation.statements import decode_statement, encode_statement
from tests.federation.matter_examples import MEMBERS
from tests.federation.organisations import FEDERATION, found, organisation
from tests.federation.said import DAY, opaque, said

YEAR = 2027
START = 1_798_761_600
"""Seconds since 1970: the first second of that year."""
END = START + 365 * DAY
BANK, COORD = MemberId("bank-a"), MemberId("coord")


@cache
def charter():
    listed = {name: roles for name, roles in MEMBERS.items() if roles}
    return found(*(organisation(name, *sorted(roles)) for name, roles in listed.items()))


@dataclass
class Logs:
    """Every member's log, as bytes; None where the content is gone."""

    bodies: dict[str, list[bytes | None]]

    @classmethod
    def of(cls, *story):
        """Return the logs of a story of (member, body, time[, id])."""
        logs = cls({})
        for member, body, time, *own in story:
            logs.say(member, body, time, *own)
        return logs

    def say(self, member, body, time, own=None, **fields):
        held = self.bodies.setdefault(str(member), [])
        name = own or opaque((str(member), len(held)))
        held.append(encode_statement(said(body, id=name, issued_time=time, **fields)))
        return name

    def copy(self):
        return Logs({member: list(held) for member, held in self.bodies.items()})

    def report(self, member=BANK, at=END - 1, order=None):
        """Make a report from the logs, taken in some order."""
        origins = {name: Origin(FEDERATION, MemberId(name)) for name in self.bodies}
        logs = [
            Log(origins[name], enumerate(self.bodies[name]), self.root(name))
            for name in (order or self.bodies)
        ]

        def read(place):
            return decode_statement(self.bodies[str(place.origin.member)][place.index])

        return report_year(Question(MemberId(member), YEAR, at), [charter()], logs, read)

    def root(self, name):
        """Return something that is of so many entries alone; content that is gone changes none."""
        return lambda size: hashlib.sha256(f"{name} {size}".encode()).digest()

    def written(self, form=Format.JSON, **asked):
        return write_report(self.report(**asked), form)

    def counts(self, **asked):
        """Return the counts that are not zero, with their parts."""
        links = self.report(**asked).links
        return {
            code: sorted(link.part for link in found)
            if any(one.part for one in found)
            else len(found)
            for code, found in links.items()
            if found
        }
