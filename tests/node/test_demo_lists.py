"""The demonstration's lists: the same in every run, harmless where made, disjoint where real."""

import ipaddress
import os
from pathlib import Path

import pytest

from federation.indicators import Kind, parse_indicator
from node.demo.error import DemoError
from node.demo.generator import generate_material
from node.demo.lists import MEMBERS, can_respell, choose, respell
from node.demo.material import load_material

DATA = Path(os.environ.get("TOCSIN_DATA", "../shared/data"))
RESERVED = ipaddress.ip_network("2001:db8::/32")


@pytest.fixture(scope="module")
def made():
    return generate_material()


@pytest.fixture(scope="module")
def real():
    if not (DATA / "phones_reported.csv.gz").exists():
        pytest.skip("phones_reported.csv.gz is not there")
    return load_material(DATA)


def test_generated_lists_are_the_same_in_every_run(made):
    again = generate_material()

    assert again.lists == made.lists
    assert again.guard == made.guard
    assert again.absent == made.absent


def test_every_member_has_about_two_thousand_rows_of_its_own(made):
    assert set(made.lists) == set(MEMBERS)
    assert {len(one.entries) for one in made.lists.values()} == {2_000}
    assert len(made.listed) > 9_900


def test_nothing_generated_can_belong_to_anybody(made):
    for one in (*made.listed, *made.guard, *made.absent):
        if one.kind is Kind.PHONE:
            assert one.value.startswith("+999")
        elif one.kind is Kind.DOMAIN:
            assert one.value.endswith(".example")
        elif one.kind is Kind.IP:
            assert ipaddress.ip_address(one.value) in RESERVED
        else:
            assert one.kind in (Kind.APP, Kind.PAYMENT_ACCOUNT)


def test_generated_lists_have_malformed_rows_and_guarded_domains(made):
    rows = [row for one in made.lists.values() for row in one.entries]

    assert sum(row.canonical is None for row in rows) == 12
    assert len(made.lists["net-p"].indicators & made.guarded) == 7


def test_absent_values_stand_on_no_list_and_in_no_guard(made):
    assert len(made.absent) >= 2_000
    assert not made.listed & set(made.absent)
    assert not made.guarded & set(made.absent)


def test_choices_are_repeatable_and_independent(made):
    first = choose("one", made.listed, 50)

    assert choose("one", made.listed, 50) == first
    assert choose("two", made.listed, 50) != first
    assert len(set(first)) == 50


def test_another_spelling_differs_and_means_the_same(made):
    for one in choose("spelling", filter(can_respell, made.listed), 200):
        other = respell(one)

        assert other != one.value
        assert parse_indicator(one.kind, other) == one


def test_a_directory_without_the_lists_is_one_error_with_a_way_out(tmp_path):
    with pytest.raises(DemoError) as caught:
        load_material(tmp_path)

    assert caught.value.reason == "DEMO_DATA_MISSING"
    assert "--data" in caught.value.hint


def test_a_list_that_is_not_compressed_text_is_one_error(tmp_path):
    (tmp_path / "phones_reported.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(DemoError) as caught:
        load_material(tmp_path)

    assert caught.value.reason == "DEMO_DATA_INVALID"


def test_the_real_lists_give_more_than_a_hundred_thousand_indicators(real):
    assert len(real.listed) >= 100_000
    assert all(len(real.nominated_by(member)) > 10_000 for member in MEMBERS)
    assert {one.kind for one in real.listed} == {Kind.PHONE, Kind.DOMAIN, Kind.IP, Kind.APP}


def test_every_popular_domain_on_the_phishing_list_is_tried_against_the_guard(real):
    assert len(real.lists["net-p"].indicators & real.guarded) >= 90


def test_real_values_that_nobody_lists_are_enough_for_a_thousand_misses(real):
    assert len(real.absent) >= 2_000
    assert not real.listed & set(real.absent)
