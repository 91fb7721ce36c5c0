"""Holders that run key ceremonies with one another, for tests: every statement as its bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from federation.ceremony import (
    CeremonyError,
    CeremonyState,
    Phase,
    Setting,
    Step,
    StepKind,
    complain,
    conclude,
    confirm,
    deal,
    fold_ceremony,
    join,
    next_step,
    open_ceremony,
    open_shares,
)
from federation.charter import Charter
from federation.indicators.kind import KindClass
from federation.key_set import KeySet, SignedKeySet
from federation.names import MemberId
from federation.statements import KeyDeal, Statement, decode_statement, encode_statement
from federation.statements.statement import Body
from federation.vocabulary import KeyAction, LegalBasis, PermissibleAction, Purpose, TrafficLight
from keys.sealing import SealingKey
from keys.secret import Secret
from keys.tokens import CheckMode, TokenKey, blind_batch, evaluate_batch, finish_batch, token_input
from tests.federation.organisations import START, Organisation, found, organisation

Said = tuple[MemberId, Statement]
LieAboutDeal = Callable[["World", KeyDeal], Sequence[Body]]

HOLDERS = tuple(organisation(f"holder-{letter}") for letter in "abcdefg")


def state_something(body: Body, number: int) -> Statement:
    """Wrap a body, through its bytes as a log would carry them."""
    statement = Statement(
        id=number.to_bytes(2) + b"\xee" * 14,
        issued_time=START + number,
        purpose=Purpose.OPERATION,
        legal_basis=LegalBasis.CHARTER,
        tlp=TrafficLight.AMBER_STRICT,
        pap=PermissibleAction.GREEN,
        body=body,
    )
    return decode_statement(encode_statement(statement))


@dataclass
class Holder:
    """One node: what it keeps between ceremonies, and how it lies if it does."""

    organisation: Organisation
    shares: dict[KindClass, Secret] | None = None
    receiving_keys: dict[bytes, SealingKey] = field(default_factory=dict)
    opened: dict[bytes, dict[KindClass, Secret]] = field(default_factory=dict)
    lie: LieAboutDeal | None = None

    @property
    def name(self) -> MemberId:
        return self.organisation.name


@dataclass
class World:
    """A federation whose members all see every statement at once."""

    charter: Charter
    holders: dict[MemberId, Holder]
    previous: KeySet | None = None
    signed: SignedKeySet | None = None
    said: list[Said] = field(default_factory=list)

    @property
    def setting(self) -> Setting:
        return Setting(self.charter, self.previous)

    def say(self, member: MemberId, body: Body) -> None:
        self.said.append((member, state_something(body, len(self.said))))

    def open(self, opener: MemberId, action: KeyAction, **choices: object) -> bytes:
        opening = open_ceremony(self.setting, opener, action, **choices)  # type: ignore[arg-type]  # as given
        self.say(opener, opening)
        return opening.ceremony_id

    def fold(self, ceremony_id: bytes) -> CeremonyState:
        return fold_ceremony(ceremony_id, self.said)

    def act(self, holder: Holder, ceremony_id: bytes, seen: Sequence[Said] | None = None) -> Step:
        """Do one holder's next step, as a node would that has ``seen`` so much, or all."""
        state = fold_ceremony(ceremony_id, self.said if seen is None else seen)
        step = next_step(state, holder.name, holder.shares is not None)
        for body in self._bodies(holder, state, step):
            self.say(holder.name, body)
        return step

    def _bodies(self, holder: Holder, state: CeremonyState, step: Step) -> Sequence[Body]:
        if step.kind is StepKind.JOIN:
            key = holder.receiving_keys.setdefault(state.id, SealingKey.generate())
            return [join(state, self.setting, holder.name, key)]
        if step.kind is StepKind.DEAL:
            dealt = deal(state, self.setting, holder.name, holder.shares)
            return [dealt] if holder.lie is None else holder.lie(self, dealt)
        if step.kind is StepKind.CONFIRM:
            return [self._judge(holder, state)]
        return [step.complaint] if step.complaint is not None else []

    def _judge(self, holder: Holder, state: CeremonyState) -> Body:
        key = holder.receiving_keys[state.id]
        try:
            shares = open_shares(state, self.setting, holder.name, key, holder.shares)
        except CeremonyError as error:
            return complain(state, holder.name, error)
        holder.opened[state.id] = shares
        return confirm(state, self.setting, holder.name, holder.organisation.signing_key)

    def run(self, ceremony_id: bytes) -> CeremonyState:
        """Let everybody act until nobody has anything to do."""
        quiet = {StepKind.WAIT, StepKind.DONE}
        while {self.act(holder, ceremony_id).kind for holder in self.holders.values()} - quiet:
            pass
        return self.fold(ceremony_id)

    def take_over(self, state: CeremonyState) -> None:
        """Use the keys of a ceremony from now on, and forget the old shares."""
        self.signed = conclude(state, self.setting)
        self.previous = self.signed.key_set
        for holder in self.holders.values():
            holder.shares = holder.opened.get(state.id)

    def complete(self, opener: MemberId, action: KeyAction, **choices: object) -> CeremonyState:
        state = self.run(self.open(opener, action, **choices))
        assert state.phase is Phase.CONFIRMED, state.blame
        self.take_over(state)
        return state

    def tokens(self, subset: Sequence[int], name: KindClass = KindClass.PHONE) -> list[TokenKey]:
        """Evaluate two fixed values with the holders of these indexes."""
        assert self.previous is not None
        inputs = [token_input(self.charter.federation, 1, value) for value in (b"+861", b"+862")]
        batch = blind_batch(inputs, CheckMode.SUM, pad_to=4)
        partials = {}
        for index in subset:
            shares = self.holders[self.previous.holders[index - 1]].shares
            assert shares is not None
            partials[index] = evaluate_batch(
                shares[name], index, subset, batch.blinded, batch.check_point, batch.mode
            )
        return finish_batch(batch, self.previous.keys[name], subset, partials)


def world(holders: int, threshold: int) -> World:
    """Make a federation of seven, of whom the first hold the key."""
    return World(
        charter=found(*HOLDERS, holders=holders, threshold=threshold),
        holders={each.name: Holder(each) for each in HOLDERS},
    )
