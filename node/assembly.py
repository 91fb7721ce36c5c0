"""Put a node together: every part made once, with what it needs handed to it."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from federation.authorisation import Request
from federation.charter import Charter
from federation.names import MemberId
from federation.roles import REPLICATING, SPEAKING, Role
from federation.vocabulary import Purpose
from keys.evaluation import CheckMode
from keys.signing import verify_signature
from node.alarms import Alarms
from node.charter_book import CharterBook
from node.clock import Clock, open_clock, require_local, system_clock
from node.config import Config
from node.desk.check import Checker, ReplicaSource
from node.desk.explain import Explainer
from node.desk.intake import Intake
from node.desk.learning import Learning
from node.desk.matcher import Matcher
from node.desk.nominate import Nominator
from node.desk.own_claims import OwnClaims
from node.desk.say import Sayings
from node.desk.score import Nominations, ScoreDesk
from node.desk.service import DeskService, Replica
from node.desk.voice import Stores, Voice
from node.desk.watch import WatchDesk
from node.duties.duties import Duties, Logs
from node.duties.warning_table import WarningTable
from node.home import Home
from node.identity import Identity
from node.log.ledger import Ledger
from node.lookup.prefix_source import PrefixSource
from node.lookup.token_index import TokenIndex
from node.matters.book import MatterBook
from node.matters.findings import Findings
from node.matters.oversight import Oversight
from node.matters.track_records import TrackRecords
from node.member import MemberKeys
from node.metering import Metering
from node.peers import Peers
from node.remote import Remote
from node.replication.board import PeerBoard
from node.replication.charter_sync import CharterSync
from node.replication.member_client import MemberClient
from node.replication.roster import Roster
from node.speaker import Speaker
from node.store.catalogue import Catalogue
from node.store.opening import open_private, open_public
from node.store.owner import require_owner
from node.store.private import PrivateStore
from node.store.protocol import PublicStore
from node.store.watchlist import Watchlist
from node.sums.carrier import Sums
from node.sums.kinds import register_kinds
from node.sums.memory import SumMemory
from node.sums.records import SumRecords
from node.tokens.ceremonies import Ceremonies
from node.tokens.grants import Grants
from node.tokens.holder import EVALUATION_CONTEXT, Holder
from node.tokens.key_ring import KeyRing
from node.tokens.public_keys import PublicKeys
from node.tokens.tokeniser import Holders, Tokeniser
from node.traffic import Capture, Traffic
from node.training.attachment import Attachments
from node.training.bundle import Bundles
from node.training.consent import Consents
from node.training.drift import DriftWatch
from node.training.fetching import Shelf
from node.training.fusion import LateFusion
from node.training.grounds import Grounds
from node.training.hub import Hub
from node.training.ledger import EpsilonLedger
from node.training.matters import TrainingMatters
from node.training.models import Models
from node.training.own_rows import OwnRows
from node.training.runner import Runs
from node.training.scoring import Scoring
from node.training.shadow import Shadow
from node.training.subjects import Subjects
from node.training.sum_company import SumCompany
from node.training.sum_duties import Party
from node.training.sum_run import SumDesk
from node.training.summands import Summands
from node.training.supernodes import SuperNodes
from node.training.worker import TrainingWorkers
from node.verdicts import Verdicts
from node.workers import Workers


@dataclass(slots=True)
class Core:
    """What every node has: identity, charter, keys, peers, workers, traffic."""

    home: Home
    config: Config
    keys: MemberKeys
    charter: CharterBook
    identity: Identity
    traffic: Traffic
    peers: Peers
    workers: Workers
    key_ring: KeyRing
    private: PrivateStore
    clock: Clock

    @property
    def me(self) -> MemberId:
        """This node's member."""
        return self.keys.card.member.member

    def now_charter(self) -> Charter:
        """Return the charter in force."""
        return self.charter.charter

    def pad(self) -> int:
        """Return the least number of points that this member shows a holder."""
        return self.now_charter().quota(self.me).pad

    def epoch(self) -> int:
        """Return the epoch of the token keys in use."""
        return self.key_ring.require_current().epoch

    def replicating(self) -> list[MemberId]:
        """Return the other members whose nodes hold logs, in the charter's order."""
        return [
            one.member
            for one in self.now_charter().active(self.clock())
            if one.roles & REPLICATING and one.member != self.me
        ]

    @property
    def is_carrier(self) -> bool:
        """Whether this member has customers with telephone numbers."""
        return Role.CARRIER in self.now_charter().member(self.me).roles

    @property
    def speaks(self) -> bool:
        """Whether this member has a log; a query partner has none."""
        return bool(self.now_charter().member(self.me).roles & SPEAKING)


@dataclass(slots=True)
class LogSide:
    """What only a node with a log has."""

    store: PublicStore
    ledger: Ledger
    catalogue: Catalogue
    matters: MatterBook
    oversight: Oversight
    duties: Duties
    index: TokenIndex
    verdicts: Verdicts
    speaker: Speaker
    alarms: Alarms
    metering: Metering
    holder: Holder
    ceremonies: Ceremonies
    consents: Consents
    sums: Sums
    bundles: Bundles


def build_core(home: Home, config: Config, keys: MemberKeys) -> Core:
    """Open identity, stores and workers; nothing listens yet.

    Raises:
        ConfigError: What the operator has to mend, with a hint.
    """
    charter = CharterBook(home.charter, partial(_admit, config))
    identity = Identity(
        keys.authority,
        charter.charter,
        keys.card.member.member,
        system_clock,
        timedelta(hours=config.leaf_hours),
    )
    charter.subscribe(identity.adopt)
    capture = Capture(Path(config.capture)) if config.capture else None
    traffic = Traffic(capture)
    home.data.mkdir(mode=0o700, exist_ok=True)
    return Core(
        home=home,
        config=config,
        keys=keys,
        charter=charter,
        identity=identity,
        traffic=traffic,
        peers=Peers(identity, traffic),
        workers=Workers(config.workers, config.libsodium),
        key_ring=KeyRing(),
        private=_own_private(config, home, keys.card.member.member, charter.charter),
        clock=open_clock(config),
    )


def _own_private(config: Config, home: Home, me: MemberId, charter: Charter) -> PrivateStore:
    private = open_private(config, home.data)
    try:
        require_owner(private, charter.federation, me)
    except BaseException:
        private.close()
        raise
    return private


def _admit(config: Config, charter: Charter) -> None:
    """Keep a rehearsal from any charter that names other machines."""
    if config.rehearsal_clock:
        require_local(charter, config.listen)


def build_log_side(core: Core) -> LogSide:
    """Open the logs and what works on them."""
    store = open_public(core.config, core.home.data)
    federation = core.now_charter().federation
    ledger = Ledger(
        store,
        federation,
        core.me,
        core.keys.signing,
        lambda member: core.now_charter().member(MemberId(member)).signing_key,
        core.clock,
    )
    catalogue = Catalogue(store)
    matters = MatterBook(catalogue, core.now_charter, core.clock)
    speaker = Speaker(ledger, lambda: core.now_charter().member(core.me).roles, core.clock)
    alarms = Alarms(speaker, core.private, core.clock)
    grants = Grants(catalogue, core.now_charter)
    metering = Metering(
        core.now_charter, core.private, grants.granted, core.clock, alarms.quota_exceeded
    )
    index = TokenIndex(store)
    return LogSide(
        store=store,
        ledger=ledger,
        catalogue=catalogue,
        matters=matters,
        oversight=Oversight(core.me, matters, alarms, core.clock),
        duties=Duties(
            core.me,
            matters,
            speaker,
            Logs(federation, ledger, catalogue),
            core.now_charter,
            core.clock,
        ),
        index=index,
        verdicts=build_verdicts(core, ledger, catalogue, matters, index),
        speaker=speaker,
        alarms=alarms,
        metering=metering,
        holder=Holder(federation, core.keys.signing, core.key_ring, core.workers, metering),
        ceremonies=Ceremonies(
            core.keys, core.key_ring, catalogue, speaker, lambda: core.charter.versions
        ),
        consents=Consents(
            core.me,
            TrainingMatters(matters),
            speaker,
            EpsilonLedger(core.private),
            core.home.training,
            core.clock,
        ),
        sums=build_sums(core, catalogue, ledger, speaker),
        bundles=Bundles(core.home.models),
    )


def build_verdicts(
    core: Core, ledger: Ledger, catalogue: Catalogue, matters: MatterBook, index: TokenIndex
) -> Verdicts:
    """Make what judges tokens by rows and matters, and members by how their nominations ended."""
    findings = Findings(matters, core.clock)
    records = TrackRecords(findings, catalogue, core.clock)
    ledger.subscribe(records.note_growth)
    return Verdicts(catalogue, core.now_charter, core.clock, findings.of, records.outcomes, index)


def build_sums(core: Core, catalogue: Catalogue, ledger: Ledger, speaker: Speaker) -> Sums:
    """Make the node's part in private sums, with what it can count."""
    records = SumRecords(catalogue, ledger, core.now_charter)
    sums = Sums(core.keys, records, speaker, SumMemory(core.private), core.clock)
    register_kinds(sums.sources.register, core.me, catalogue, core.private)
    return sums


@dataclass(slots=True)
class TrainingSide:
    """What only a node has that can train: its own runs, and its part in others'."""

    hub: Hub
    runs: Runs
    workers: TrainingWorkers
    attachments: Attachments
    supernodes: SuperNodes

    async def close(self) -> None:
        """End streams and processes."""
        await self.runs.close()
        self.hub.close()
        await self.supernodes.close()
        await self.workers.close()


def build_training_side(core: Core, log: LogSide) -> TrainingSide | None:
    """Make what runs and joins training rounds; None without the extra ``train``."""
    if any(importlib.util.find_spec(name) is None for name in ("flwr", "torch")):
        return None
    hub, directory = Hub(), core.home.data / "training"
    workers = TrainingWorkers(
        core.me, core.home.root, directory / "worker", core.private, core.clock
    )
    shelf = Shelf(log.consents, log.bundles)
    party = build_party(core, log, workers.summands)
    supernodes = SuperNodes(log.consents, directory / "supernodes")
    attachments = Attachments(
        log.consents, core.peers, shelf, workers.answer, workers.end_later, party, supernodes
    )

    def open_desk() -> SumDesk:
        company = SumCompany(core.private)
        return SumDesk(hub, core.me, core.keys.signing, core.now_charter, company, core.clock)

    runs = Runs(log.consents, hub, directory / "runs", log.bundles, open_desk)
    return TrainingSide(hub, runs, workers, attachments, supernodes)


def build_party(core: Core, log: LogSide, summands: Summands) -> Party:
    """Make this member as it takes part in the private sums of training runs."""
    return Party(
        core.me,
        core.keys.signing,
        core.keys.sealing,
        core.now_charter,
        log.consents,
        SumMemory(core.private),
        summands,
    )


def build_file_attachments(core: Core, log: LogSide) -> Attachments:
    """Make what fetches models on a node that cannot train, and does its duties as a holder."""
    party = build_party(core, log, Summands())
    shelf = Shelf(log.consents, log.bundles)
    return Attachments(log.consents, core.peers, shelf, None, party=party)


def build_tokeniser(core: Core, log: LogSide | None) -> Tokeniser:
    """Make the client of the key holders."""
    remote = Remote(core.me, core.peers, log.holder if log else None)

    def verify(member: MemberId, message: bytes, signature: bytes) -> None:
        public = core.now_charter().member(member).signing_key
        verify_signature(public, EVALUATION_CONTEXT, message, signature)

    async def ignore(_blame: object) -> None:
        """Do nothing: a partner has no log in which it could name the liar."""

    return Tokeniser(
        core.now_charter().federation,
        core.key_ring,
        core.workers,
        Holders(
            ask=remote.evaluate,
            ask_proof=remote.prove,
            verify=verify,
            on_blame=log.alarms.evaluation_wrong if log else ignore,
        ),
        CheckMode[core.config.evaluation_check.upper()],
    )


def build_desk(core: Core, log: LogSide | None, tokeniser: Tokeniser) -> DeskService:
    """Make the fraud desk."""
    if log is None:
        intake = Intake(tokeniser, core.config.country)
        remote = Remote(core.me, core.peers, None)
        source = PrefixSource(core.replicating, remote.lookup_prefix)
        return DeskService(Checker(intake, source, core.pad), None)

    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    intake = Intake(tokeniser, core.config.country, recall)
    claims = OwnClaims(core.me, log.catalogue, partial(log.ledger.entry, log.ledger.own))
    stores = Stores(log.catalogue, core.private, log.verdicts, claims)
    voice = Voice(core.me, intake, log.speaker, stores, core.pad, core.epoch, core.clock)
    replica = Replica(
        nominator=Nominator(voice),
        sayings=Sayings(voice),
        watch=WatchDesk(
            intake,
            core.private,
            Matcher(Watchlist(core.private, log.store), core.clock),
            log.verdicts,
            core.pad,
            core.clock,
            # Only a carrier warns its customers.
            WarningTable(core.private).keep_keys if core.is_carrier else None,
        ),
        explainer=Explainer(
            core.now_charter().federation,
            intake,
            log.verdicts,
            log.catalogue,
            log.ledger,
            core.pad,
            Grounds(core.private),
        ),
    )
    return DeskService(Checker(intake, ReplicaSource(log.verdicts), core.pad), replica)


def build_learning(core: Core, log: LogSide, tokeniser: Tokeniser) -> Learning:
    """Make what learns from outcomes: labels, drift, late fusion."""

    def recall(values: Collection[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
        return core.private.known_tokens(values, core.epoch())

    intake = Intake(tokeniser, core.config.country, recall)
    rows = OwnRows(log.consents, log.bundles, core.home, core.config.country)
    return Learning(
        Subjects(intake, log.catalogue, core.private, log.verdicts, core.pad, core.epoch),
        DriftWatch(log.consents, log.bundles, rows, log.sums, log.alarms),
        LateFusion(intake, log.catalogue, core.private, rows, log.sums, core.pad),
    )


def build_score_desk(core: Core, log: LogSide, nominator: Nominator) -> ScoreDesk:
    """Make what scores own rows with trained models; it needs no extra."""
    matters, shadow = log.consents.matters, Shadow(core.private)
    models = Models(matters, log.bundles)
    return ScoreDesk(
        matters,
        log.bundles,
        models,
        Scoring(models, shadow, core.clock),
        shadow,
        Nominations(nominator, Grounds(core.private), core.clock),
    )


def build_charter_sync(core: Core) -> CharterSync:
    """Make what a partner learns of a newer charter with; a member's replication has its own."""
    return CharterSync(
        Roster(core.me, core.now_charter, core.clock),
        MemberClient(core.peers),
        PeerBoard(core.clock),
        core.charter.adopt,
        core.config.charter_seconds,
    )


def build_public_keys(core: Core) -> PublicKeys:
    """Make what a partner learns the public keys with."""
    remote = Remote(core.me, core.peers, None)
    return PublicKeys(
        lambda: core.charter.versions, core.key_ring, core.replicating, remote.public_keys
    )


async def meter_lookup(
    metering: Metering, member: MemberId, method: str, purpose: Purpose, amount: int
) -> None:
    """Charge a look-up."""
    await metering.charge(Request(member, method, purpose, None, amount))
