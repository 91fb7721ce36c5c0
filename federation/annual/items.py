"""Name what a report of a year tells, under the heads of the rules that ask for it.

Source: DOMAIN R48; Measures for the Administration of Telecommunications Business Licensing (MIIT
Order 42), article 35. The logs tell what was done for network and information security and how
rules were carried out; the other heads come from the enterprise's own books.
"""

from dataclasses import dataclass
from typing import Final

from federation.annual.reading import Place


@dataclass(frozen=True, slots=True)
class Item:
    """One line: what is counted."""

    code: str
    title: str


@dataclass(frozen=True, slots=True)
class Head:
    """One head of the article.

    Attributes:
        number: In the article, from 1.
        words: As the article has them.
        items: What the logs tell; none where they tell nothing.
    """

    number: int
    title: str
    words: str
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """One statement that counts for an item.

    Attributes:
        part: Which part of the item, a code; empty for none.
        sum_id: Of the private sum that the statement rests on or belongs to; empty for none.
    """

    place: Place
    part: str = ""
    sum_id: bytes = b""


def _items(**titles: str) -> tuple[Item, ...]:
    return tuple(Item(code, title) for code, title in titles.items())


SECURITY: Final = Head(
    4,
    "Systems and measures for network and information security, and how they were carried out",
    "网络与信息安全保障制度和措施执行情况",
    _items(
        NOMINATIONS="suspected indicators told to all members, by kind",
        NOMINATIONS_CONFIRMED="of these, confirmed by a verification round",
        SIGHTINGS="sightings of indicators that others told",
        OPINIONS="opinions on what others told",
        RETRACTIONS="own statements taken back, by reason",
        REASSIGNED_NUMBERS="numbers reported as given to somebody else",
        PROTECTED_OBJECTS="objects that nobody may restrict, by ground",
        VERIFICATIONS_OPENED="verification rounds opened",
        VERIFICATIONS_READ="tallies of verification rounds read and stated",
        CONFLICTS_EXAMINED="conflicting answers examined, by decision",
        ORDERS_GIVEN="orders of measures given, by measure",
        ORDERS_EXECUTED="orders carried out, by measure",
        ORDERS_NOT_EXECUTED="orders answered without acting, by answer",
        PERSONS_NOTIFIED="persons concerned told of a measure",
        MEASURES_TAKEN_BACK="measures taken back, by reason",
        REVERIFICATIONS="identities verified again, by result",
        WARNINGS_RAISED="warnings of likely victims raised, by risk",
        WARNINGS_SENT="warnings sent to own customers, by channel",
        WARNINGS_ACKNOWLEDGED="warnings that the customer acknowledged",
        WARNINGS_ENDED="warnings ended, by outcome",
        FARM_ALERTS="sites of SIM farms found together with others",
        MARKS_COUNTED="marks of numbers stated from a private sum, by label",
        MARKS_CORRECTED="marks of numbers corrected, by reason",
        CLUES_FOUND="clues opened, by what found them",
        CLUES_HANDED_OVER="clues handed over to the police",
        TRACES_ANSWERED="hops of a trace answered, by answer",
        CASE_BRIEFS="case briefs told to other members, by type of fraud",
        DESIGNATIONS="objects designated as part of a case, by kind",
        DESIGNATIONS_LIFTED="designations taken back, by reason",
        PLANS_DECIDED="joint training plans and releases decided on, by decision",
        MODELS_STAGED="trained models taken to a stage, by stage",
        KEY_CEREMONIES="key ceremonies confirmed as a key holder",
        SUMS_CONTRIBUTED="private sums contributed to",
        SUMS_OPENED="totals of private sums opened as a key holder",
        ALARMS_RAISED="alarms raised, by kind",
    ),
)
RULES: Final = Head(
    5,
    "How rules of the State and of the telecommunications authorities were carried out",
    "执行国家和电信管理机构有关规定及经营许可证特别规定事项的情况",
    _items(
        MEASURES_WRONG="measures carried out here that proved wrong, by what lifted them",
        APPEALS_TAKEN_IN="appeals of persons concerned taken in, by ground",
        APPEALS_DECIDED="appeals decided, by decision",
        APPEALS_DECIDED_LATE="of these, later than a day after the appeal",
        REPORTS_TAKEN_IN="citizens' reports taken in, by type of fraud",
        REPORTS_WORKED_ON="steps of citizens' reports taken, by step",
        IDENTITY_QUERIES_TAKEN_IN="questions of citizens about their accounts taken in",
        IDENTITY_QUERIES_ANSWERED="such questions answered",
        ACCOUNTS_DISPUTED="accounts disputed by citizens, taken in",
        DISPUTES_DECIDED="disputes of accounts decided, by step",
        DUTIES_ADOPTED="duties of the responsibility list adopted, by duty",
        DUTIES_ATTESTED="periods of duties attested in time, by duty",
        DUTIES_ATTESTED_LATE="periods of duties attested late, by duty",
        DUTIES_NOT_ADOPTED="duties not adopted when their first period was over, by duty",
        NOTICES_RECEIVED="notices of problems received, by problem",
        NOTICES_ANSWERED="answers to notices, by step",
        NOTICES_ENDED="notices returned, closed or withdrawn, by step",
        NOTICES_OPEN="notices open at the end, by problem",
        STEPS_OVERDUE="steps that were due at the end and had not been taken, by kind of matter",
        ALARMS_ABOUT="alarms that others raised about the member, by kind",
        STATEMENTS_REFUSED="own statements that the rules of their matter refused, by rule",
        STATEMENTS_NOT_UNDERSTOOD="own statements of a kind that this version does not know",
    ),
)
HEADS: Final = (
    Head(1, "How the business was run", "上一年度的电信业务经营情况"),
    Head(2, "Network, development of business, staff", "网络建设、业务发展、人员及机构变动情况"),
    Head(3, "Quality of service", "服务质量情况"),
    SECURITY,
    RULES,
    Head(6, "What else the authority asks for", "发证机关要求报送的其他信息"),
)
"""The heads of the article, in its order."""
