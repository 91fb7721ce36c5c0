"""Say which columns the members of a sector agree on, and how each follows from who is behind it.

The columns are some of those of DOMAIN §8.1 and §8.2: 24 of carriers, 22 of banks, 20 of internet
firms, and 16 that mean the same to all of them. What a subject is like stands in nine traits that
no table holds; a column is a curve of some of them and of chance, so that each sector sees another
side of the same behaviour, and none sees all of it. Where a sector's own column has the name of a
common one, it is the common one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from federation.training.schema import CATEGORICAL, NUMERIC, Column, FeatureSchema

LABEL: Final = "label"
NUMBER: Final = "number"
"""The column with the subject's telephone number: no feature, and it stays with its member."""


class Trait(enum.IntEnum):
    """Name what a subject is like; 0 is usual, and 1 is one usual deviation more."""

    VOLUME = 0
    SCATTER = 1
    MACHINE = 2
    NIGHT = 3
    FRESH = 4
    SHARED = 5
    DRAIN = 6
    LURE = 7
    CYCLING = 8


class Form(enum.StrEnum):
    """Say what a column's cells are made of."""

    COUNT = "COUNT"
    AMOUNT = "AMOUNT"
    SHARE = "SHARE"
    CHOICE = "CHOICE"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column.

    Attributes:
        usual: Of a count or an amount its logarithm, of a share or a choice its log-odds.
        spread: Of chance, on the same scale.
        follows: How much each trait moves it.
        texts: Of a choice: the usual text, and the other one.
    """

    name: str
    form: Form
    usual: float
    follows: Mapping[Trait, float] = field(default_factory=dict)
    spread: float = 0.6
    unit: str = ""
    texts: tuple[str, str] = ("", "")

    @property
    def column(self) -> Column:
        """Return the column as the members agree on it."""
        if self.form is Form.CHOICE:
            return Column(self.name, CATEGORICAL, categories=self.texts)
        return Column(self.name, NUMERIC, unit=self.unit)


_T = Trait
_COUNT, _AMOUNT, _SHARE, _CHOICE = Form.COUNT, Form.AMOUNT, Form.SHARE, Form.CHOICE

CARRIER: Final = (
    Feature("mo_call_cnt", _COUNT, 2.6, {_T.VOLUME: 0.6}, unit="calls"),
    Feature("mt_call_cnt", _COUNT, 2.4, {_T.SCATTER: -0.3}, unit="calls"),
    Feature("mo_ratio", _SHARE, 0.0, {_T.VOLUME: 0.3, _T.SCATTER: 0.3}),
    Feature("distinct_callee_cnt", _COUNT, 1.6, {_T.VOLUME: 0.4, _T.SCATTER: 0.4}, unit="numbers"),
    Feature("first_contact_ratio", _SHARE, -0.8, {_T.SCATTER: 0.5, _T.LURE: 0.3}),
    Feature("repeat_callee_ratio", _SHARE, 0.4, {_T.SCATTER: -0.5}),
    Feature("empty_number_ratio", _SHARE, -2.6, {_T.MACHINE: 0.5}),
    Feature("answer_ratio", _SHARE, 0.6, {_T.SCATTER: -0.3, _T.MACHINE: -0.3}),
    Feature("short_call_ratio", _SHARE, -1.0, {_T.MACHINE: 0.4}),
    Feature("dur_mean_s", _AMOUNT, 4.2, {_T.LURE: 0.4, _T.MACHINE: -0.2}, unit="s"),
    Feature("inter_call_gap_median_s", _AMOUNT, 6.0, {_T.MACHINE: -0.5}, unit="s"),
    Feature("burstiness", _SHARE, 0.0, {_T.MACHINE: 0.5}),
    Feature("night_ratio", _SHARE, -1.8, {_T.NIGHT: 0.6}),
    Feature("active_hour_entropy", _AMOUNT, 0.8, {_T.NIGHT: -0.15}, 0.3, unit="bits"),
    Feature("nonlocal_callee_ratio", _SHARE, -0.6, {_T.LURE: 0.4}),
    Feature("sms_mo_cnt", _COUNT, 1.2, {_T.LURE: 0.5}, unit="messages"),
    Feature("otp_sms_mt_cnt", _COUNT, 0.6, {_T.SHARED: 0.4, _T.CYCLING: 0.3}, unit="messages"),
    Feature("data_mb", _AMOUNT, 6.0, {_T.MACHINE: -0.6}, 1.0, unit="MB"),
    Feature("distinct_cell_cnt", _COUNT, 2.0, {_T.MACHINE: -0.5}, unit="cells"),
    Feature("stationary_ratio", _SHARE, 0.0, {_T.MACHINE: 0.5}),
    Feature("imei_per_imsi", _COUNT, 0.4, {_T.CYCLING: 0.5}, 0.4, unit="devices"),
    Feature("imsi_per_imei", _COUNT, 0.4, {_T.SHARED: 0.5}, 0.4, unit="SIMs"),
    Feature("sim_age_d", _AMOUNT, 6.0, {_T.FRESH: -0.6}, 0.8, unit="d"),
    Feature("prepaid", _CHOICE, -0.4, {_T.FRESH: 0.5}, 0.0, texts=("contract", "prepaid")),
)
BANK: Final = (
    Feature("acct_age_d", _AMOUNT, 6.5, {_T.FRESH: -0.6}, 0.8, unit="d"),
    Feature("open_channel", _CHOICE, -0.4, {_T.FRESH: 0.4}, 0.0, texts=("branch", "remote")),
    Feature("dormant_to_active_d", _AMOUNT, 2.0, {_T.DRAIN: 0.5}, 1.0, unit="d"),
    Feature("in_cnt", _COUNT, 1.6, {_T.SCATTER: 0.4}, unit="transfers"),
    Feature("out_cnt", _COUNT, 1.8, {_T.VOLUME: 0.4, _T.DRAIN: 0.2}, unit="transfers"),
    Feature("in_amt", _AMOUNT, 8.5, {_T.DRAIN: 0.3}, 1.0, unit="CNY"),
    Feature("out_amt", _AMOUNT, 8.4, {_T.DRAIN: 0.4}, 1.0, unit="CNY"),
    Feature("in_out_lag_median_min", _AMOUNT, 7.0, {_T.DRAIN: -0.8}, 1.0, unit="min"),
    Feature("residual_balance_ratio", _SHARE, 0.0, {_T.DRAIN: -0.5}),
    Feature("distinct_payer_cnt", _COUNT, 0.9, {_T.SCATTER: 0.5}, unit="payers"),
    Feature("distinct_payee_cnt", _COUNT, 1.1, {_T.VOLUME: 0.3, _T.SCATTER: 0.2}, unit="payees"),
    Feature("new_payee_ratio", _SHARE, -1.0, {_T.LURE: 0.4}),
    Feature("probe_tx_cnt", _COUNT, 0.1, {_T.MACHINE: 0.5}, unit="transfers"),
    Feature("night_tx_ratio", _SHARE, -2.0, {_T.NIGHT: 0.6}),
    Feature("round_amt_ratio", _SHARE, -0.5, {_T.MACHINE: 0.3}),
    Feature("structuring_score", _SHARE, -1.5, {_T.DRAIN: 0.4}),
    Feature("amt_z_vs_90d", _AMOUNT, 0.0, {_T.LURE: 0.4}, unit="deviations"),
    Feature("device_change_cnt", _COUNT, 0.3, {_T.CYCLING: 0.5}, 0.4, unit="devices"),
    Feature("device_shared_acct_cnt", _COUNT, 0.3, {_T.SHARED: 0.5}, 0.4, unit="accounts"),
    Feature("payee_acct_age_d", _AMOUNT, 6.0, {_T.LURE: -0.4}, 0.8, unit="d"),
    Feature("cash_out_ratio", _SHARE, -1.2, {_T.DRAIN: 0.5}),
    Feature("phone_on_file_age_d", _AMOUNT, 6.0, {_T.FRESH: -0.4}, 0.8, unit="d"),
)
INTERNET: Final = (
    Feature("acct_age_d", _AMOUNT, 6.0, {_T.FRESH: -0.6}, 0.8, unit="d"),
    Feature("realname_status", _CHOICE, -1.0, {_T.FRESH: 0.3}, 0.0, texts=("checked", "open")),
    Feature("reg_phone_class", _CHOICE, -1.5, {_T.SHARED: 0.5}, 0.0, texts=("physical", "virtual")),
    Feature("reg_ip_class", _CHOICE, -1.5, {_T.MACHINE: 0.5}, 0.0, texts=("home", "data centre")),
    Feature("accts_per_device", _COUNT, 0.4, {_T.SHARED: 0.5}, 0.4, unit="accounts"),
    Feature("friend_add_per_day", _COUNT, 0.8, {_T.SCATTER: 0.6}, unit="people"),
    Feature("add_accept_ratio", _SHARE, 0.4, {_T.SCATTER: -0.4}),
    Feature("group_create_cnt", _COUNT, 0.1, {_T.LURE: 0.4}, unit="groups"),
    Feature("msg_out_cnt", _COUNT, 3.2, {_T.VOLUME: 0.6}, unit="messages"),
    Feature(
        "distinct_recipient_cnt", _COUNT, 1.8, {_T.VOLUME: 0.3, _T.SCATTER: 0.4}, unit="people"
    ),
    Feature("template_similarity", _SHARE, -1.5, {_T.MACHINE: 0.5}),
    Feature("offplatform_lure_ratio", _SHARE, -2.5, {_T.LURE: 0.6}),
    Feature("url_share_cnt", _COUNT, 0.5, {_T.LURE: 0.4}, unit="links"),
    Feature("apk_share_cnt", _COUNT, -0.5, {_T.DRAIN: 0.4}, unit="files"),
    Feature("report_cnt", _COUNT, -0.5, {_T.VOLUME: 0.2, _T.LURE: 0.2}, unit="reports"),
    Feature("report_confirm_ratio", _SHARE, -1.0, {_T.DRAIN: 0.3}, 1.0),
    Feature("login_geo_velocity_kmh", _AMOUNT, 3.0, {_T.CYCLING: 0.4}, 1.0, unit="km/h"),
    Feature("device_change_cnt", _COUNT, 0.3, {_T.CYCLING: 0.5}, 0.4, unit="devices"),
    Feature("landing_domain_age_d", _AMOUNT, 6.0, {_T.LURE: -0.4}, 1.0, unit="d"),
    Feature("order_refund_ratio", _SHARE, -2.0, {_T.DRAIN: 0.4}),
)
CORE: Final = (
    Feature("tenure_d", _AMOUNT, 6.2, {_T.FRESH: -0.6}, 0.7, unit="d"),
    Feature("out_event_cnt", _COUNT, 2.6, {_T.VOLUME: 0.6}, unit="events"),
    Feature("in_event_cnt", _COUNT, 2.4, {_T.SCATTER: -0.2, _T.DRAIN: 0.2}, unit="events"),
    Feature("out_in_ratio", _SHARE, 0.0, {_T.VOLUME: 0.3, _T.SCATTER: 0.3}),
    Feature("distinct_counterparty_cnt", _COUNT, 1.6, {_T.VOLUME: 0.3, _T.SCATTER: 0.4}),
    Feature("first_contact_ratio", _SHARE, -0.8, {_T.SCATTER: 0.4, _T.LURE: 0.4}),
    Feature("repeat_ratio", _SHARE, 0.4, {_T.SCATTER: -0.5}),
    Feature("gap_median_s", _AMOUNT, 6.5, {_T.MACHINE: -0.4, _T.DRAIN: -0.4}, 0.8, unit="s"),
    Feature("burstiness", _SHARE, 0.0, {_T.MACHINE: 0.5}),
    Feature("night_ratio", _SHARE, -1.8, {_T.NIGHT: 0.6}),
    Feature("active_hour_entropy", _AMOUNT, 0.8, {_T.NIGHT: -0.15}, 0.3, unit="bits"),
    Feature("device_change_cnt", _COUNT, 0.3, {_T.CYCLING: 0.5}, 0.4, unit="devices"),
    Feature("subjects_per_device", _COUNT, 0.4, {_T.SHARED: 0.5}, 0.4, unit="subjects"),
    Feature("id_linked_subject_cnt", _COUNT, 0.6, {_T.SHARED: 0.3}, 0.5, unit="subjects"),
    Feature("complaint_cnt", _COUNT, -0.7, {_T.VOLUME: 0.2, _T.LURE: 0.3}, unit="complaints"),
    Feature("tag_cnt", _COUNT, -0.5, {_T.VOLUME: 0.3, _T.LURE: 0.2}, unit="tags"),
)
SECTORS: Final[Mapping[str, tuple[Feature, ...]]] = {
    "carrier": CARRIER,
    "bank": BANK,
    "net": INTERNET,
}
"""Columns by the first word of a member's name."""


def sector_of(member: str) -> str:
    """Return the sector that a member's name begins with."""
    return member.partition("-")[0]


def sector_schema(sector: str) -> FeatureSchema:
    """Return what all members of a sector agree on."""
    return _schema(SECTORS[sector])


def core_schema() -> FeatureSchema:
    """Return what the members of all sectors agree on."""
    return _schema(CORE)


def _schema(features: tuple[Feature, ...]) -> FeatureSchema:
    return FeatureSchema(tuple(one.column for one in features), LABEL)
