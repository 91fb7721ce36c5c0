import csv
import gzip
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.indicators import (
    MAXIMUM_TEXT_CHARACTERS,
    Indicator,
    IndicatorError,
    Kind,
    KindClass,
    kind_by_name,
    kind_class,
    kind_name,
    network,
    parse_indicator,
    registrable_domain,
    telephone,
)
from federation.indicators.conformance import run_indicator_vectors

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data"))


def read_vectors():
    path = ROOT / "tests" / "vectors" / "indicators.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["kind", "value", "canonical", "region", "note"]
    return rows


VECTORS = read_vectors()
REFUSED = [row for row in VECTORS if row[2] == "!"]
MARKER = "zq7xv9kw"


def read_lines(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def outcome(kind, text, region=None):
    """Return the value or the error; anything else is a failure of totality."""
    try:
        return parse_indicator(kind, text, region=region)
    except IndicatorError as error:
        return error


def assert_total_and_stable(kind, text, region=None):
    result = outcome(kind, text, region)
    if isinstance(result, Indicator):
        assert parse_indicator(kind, result.value) == result
    else:
        assert_silent(result, text)


def assert_silent(error, text):
    # A short text can stand in a fixed sentence by chance.
    shown = f"{error} {error!r} {error.hint}"
    assert len(text.strip()) < 12 or text.strip() not in shown
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.rule == error.rule.upper()


@pytest.mark.parametrize(
    "row", VECTORS, ids=[f"row-{number}-{row[0]}" for number, row in enumerate(VECTORS, start=2)]
)
def test_a_vector_gives_its_canonical_form_or_is_refused(row):
    (result,) = run_indicator_vectors([row])

    assert result.passed, result.outcome


def test_the_vectors_cover_every_kind_with_forms_and_refusals():
    forms = {row[0] for row in VECTORS if row[2] != "!"}
    refusals = {row[0] for row in REFUSED}

    assert len(VECTORS) >= 160
    assert forms == refusals == {kind_name(kind) for kind in Kind}


def test_a_wrong_vector_fails():
    rows = [
        ("domain", "example.com", "example.org"),
        ("domain", "example.com", "!"),
        ("domain", "localhost", "localhost"),
        ("domian", "example.com", "!"),
        ("domain", "example.com"),
    ]

    results = run_indicator_vectors(rows)

    assert [result.passed for result in results] == [False] * 5
    assert [result.outcome for result in results] == [
        *("different", "different", "DOMAIN_SINGLE_LABEL", "KIND_UNKNOWN", "malformed")
    ]
    assert [result.row for result in results] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{row[0]}-{REFUSED.index(row)}")
def test_a_refusal_names_the_rule_and_not_the_text(row):
    kind, text, _, region, _ = row

    error = outcome(kind, text, region or None)

    assert isinstance(error, IndicatorError)
    assert error.kind is kind_by_name(kind)
    assert_silent(error, text)


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=200), region=st.sampled_from([None, "CN", "US", "JP", "AR", "xx"]))
@example(text="\ud800", region=None)
@example(text="9" * MAXIMUM_TEXT_CHARACTERS, region=None)
@example(text="a:" + "é" * (MAXIMUM_TEXT_CHARACTERS - 2), region=None)
@example(text="https://example.com/" + "é" * 2000, region=None)
@example(text="x" * (MAXIMUM_TEXT_CHARACTERS + 1), region=None)
def test_any_text_is_parsed_or_refused_for_every_kind(kind, text, region):
    assert_total_and_stable(kind, text, region)


@st.composite
def mutated_vectors(draw):
    """Draw a vector's text with a few characters replaced, inserted or deleted."""
    kind, text, _, region, _ = draw(st.sampled_from(VECTORS))
    chars = list(text)
    alphabet = st.one_of(
        st.sampled_from(list("0189aZ.:-_@/%+?#&= ８Ａ。：\u0308\u200dß")), st.characters()
    )
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(chars)))
        chars[place : place + draw(st.integers(0, 2))] = draw(st.lists(alphabet, max_size=2))
    return kind, "".join(chars), region or None


@settings(max_examples=3000, deadline=None)
@given(mutated_vectors())
def test_a_mutated_vector_is_parsed_or_refused(vector):
    assert_total_and_stable(*vector)


@settings(max_examples=1000, deadline=None)
@given(mutated_vectors(), st.sampled_from([0, 3, 9, 10**6]))
def test_no_error_repeats_a_word_of_the_text(vector, place):
    kind, text, region = vector
    error = outcome(kind, text[:place] + MARKER + text[place:], region)

    assert MARKER not in f"{error} {error!r}".lower()


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(sorted(telephone.phonenumbers.SUPPORTED_REGIONS)),
    st.from_regex(r"\A\+?[0-9]{3,17}\Z"),
)
def test_numbers_of_every_region_are_stable(region, number):
    assert_total_and_stable(Kind.PHONE, number, region)


@settings(max_examples=1000, deadline=None)
@given(st.from_regex(telephone._CLEAN, fullmatch=True))
def test_the_fast_path_of_telephone_numbers_agrees_with_the_slow_one(number):
    assert telephone._canonical_from_any(number, None) == number
    assert telephone._canonical_from_any(number, "CN") == number


@settings(max_examples=500, deadline=None)
@given(st.from_regex(network._CLEAN, fullmatch=True).filter(network._is_clean))
@example("1.a1--b.c-d.example")
def test_the_fast_path_of_domains_agrees_with_the_slow_one(domain):
    assert network._domain_from_any(domain, Kind.DOMAIN) == domain


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("domains_phishing.txt.gz", 0.9996),
        ("domains_scam.txt.gz", 0.9999),
        ("domains_investment_scam.txt.gz", 1),
        ("domains_popular.txt.gz", 0.9999),
    ],
)
def test_real_domains_are_accepted(name, least):
    texts = [text for text in read_lines(name) if text]
    # The lists mix bare addresses in; those are refused as domains on purpose.
    errors = [
        result for text in texts if isinstance(result := outcome("domain", text), IndicatorError)
    ]
    refused = [error for error in errors if error.rule != "DOMAIN_IS_ADDRESS"]

    assert 1 - len(refused) / len(texts) >= least


def test_real_domains_take_the_same_form_on_both_paths():
    texts = read_lines("domains_popular.txt.gz")[::20] + read_lines("domains_phishing.txt.gz")[::20]
    clean = [text for text in texts if network._is_clean(text)]

    assert len(clean) > 10_000
    assert [network._domain_from_any(text, Kind.DOMAIN) for text in clean] == clean


def test_real_numbers_take_the_same_form_on_both_paths():
    numbers = [line.split(",")[0] for line in read_lines("phones_reported.csv.gz")[1::40]]

    assert [telephone._canonical_from_any(number, None) for number in numbers] == numbers
    assert [parse_indicator("phone", number).value for number in numbers] == numbers


def test_real_addresses_are_accepted():
    addresses = [line.split(",")[0] for line in read_lines("ips_reported.csv.gz")[1::10]]

    assert [parse_indicator("ip", address).value for address in addresses] == addresses


def test_real_apps_are_accepted_by_signer_or_by_file():
    rows = list(csv.DictReader(read_lines("apps_stalkerware.csv.gz")))
    texts = [
        f"{row['package']}:{row['certificate_sha1']}" if row["package"] else f"file:{row['sha256']}"
        for row in rows
        if not row["package"] or row["certificate_sha1"]
    ]

    assert len(texts) > 3000
    assert all(isinstance(outcome("app", text), Indicator) for text in texts)


def test_the_numbers_of_the_kinds_never_change():
    names = [
        "PHONE",
        "IMSI",
        "IMEI",
        "ICCID",
        "SITE",
        "IP",
        "DOMAIN",
        "URL",
        "APP",
        "BANK_ACCOUNT",
        "IBAN",
        "PAN",
        "PAYMENT_ACCOUNT",
        "IM_ACCOUNT",
        "EMAIL",
        "DEVICE",
        "CRYPTO_ADDRESS",
        "SMS_PORT",
        "SMS_SIGNATURE",
        "CALL_FORWARD",
        "LEASED_LINE",
        "CLOUD_TENANT",
        "ADVERTISEMENT",
        "SEARCH_KEYWORD",
        "IOT_SIM",
        "ORGANISATION",
        "RESIDENT_ID",
    ]

    assert [kind.name for kind in Kind][: len(names)] == names
    assert [kind.value for kind in Kind] == list(range(1, len(Kind) + 1))


def test_the_class_of_a_kind_never_changes():
    letters = "".join(kind_class(kind).name[0] for kind in Kind)

    assert letters == "PIDIDNNNNAAAAAADAPPPNNNNPII"
    assert set(map(kind_class, Kind)) == set(KindClass)


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_found_by_its_command_line_name(kind):
    name = kind.name.lower()

    assert kind_by_name(name) is kind
    assert kind_by_name(name.replace("_", "-").upper()) is kind


def test_an_unknown_kind_is_refused_with_the_names_and_without_the_text():
    with pytest.raises(IndicatorError) as caught:
        parse_indicator(MARKER, "example.com")

    assert (caught.value.kind, caught.value.rule) == (None, "KIND_UNKNOWN")
    assert "crypto_address" in caught.value.hint
    assert MARKER not in f"{caught.value} {caught.value.hint}"


def test_an_indicator_hides_its_value():
    indicator = parse_indicator("phone", "+99970000000")

    assert "999" not in repr(indicator)
    assert indicator == Indicator(Kind.PHONE, "+99970000000")


def test_an_error_survives_the_way_back_from_a_worker_process():
    error = outcome("pan", "4111111111111112")
    copy = pickle.loads(pickle.dumps(error))

    assert (copy.kind, copy.rule, str(copy)) == (Kind.PAN, "PAN_CHECK", str(error))
    assert pickle.loads(pickle.dumps(outcome("none", ""))).hint is not None


@pytest.mark.parametrize(
    ("domain", "owned"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("shop.example.co.uk", "example.co.uk"),
        ("a.b.pages.dev", "b.pages.dev"),
        ("pages.dev", "pages.dev"),
        ("www.bücher.example", "xn--bcher-kva.example"),
        ("x.公司.cn", "x.xn--55qx5d.cn"),
        ("www.city.kawasaki.jp", "city.kawasaki.jp"),
    ],
)
def test_the_registrable_domain_is_what_one_owner_registered(domain, owned):
    assert registrable_domain(domain) == owned
    assert registrable_domain(owned) == owned


def test_the_registrable_domain_of_junk_is_refused():
    with pytest.raises(IndicatorError):
        registrable_domain("co.uk")


def test_the_longest_text_is_still_parsed():
    prefix = "https://example.com/"
    text = prefix + "a" * (MAXIMUM_TEXT_CHARACTERS - len(prefix))

    assert parse_indicator("url", text).value == text
    assert outcome("url", text + "a").rule == "TEXT_TOO_LONG"
    assert outcome("url", text[:-1] + "é").rule == "VALUE_TOO_LONG"
