"""The key store's bytes: what opens, and that everything else is one clear error."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import KeyStoreError
from keys.keystore import DEFAULT_COST, MAX_STORE_BYTES, Cost, KeyStore
from keys.secret import Secret

CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
PASSPHRASE = Secret(b"correct horse")
SHARE = Secret(b"the share itself")


def new_store(member="bank-a"):
    store = KeyStore.create(PASSPHRASE, "night.example", member, CHEAP)
    store.put("signing", Secret(b"the seed"))
    store.put("token/phone/1", SHARE, b"commitments")
    return store


STORE = new_store()
DATA = STORE.encode()


def reason_of(call):
    with pytest.raises(KeyStoreError) as caught:
        call()
    return caught.value.reason


def forge(change):
    """Change the document and make its checksum right again, as an attacker would."""
    document = json.loads(DATA)
    change(document)
    plain = {**document, "sha256": None}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(document).encode()


def test_what_was_put_comes_back_with_its_binding():
    store = KeyStore.decode(DATA, PASSPHRASE)

    assert store.names() == ("signing", "token/phone/1")
    assert Secret(b"the seed") == store.get("signing")
    assert store.get("token/phone/1", b"commitments") == SHARE
    assert (store.federation, store.member) == ("night.example", "bank-a")


def test_writing_is_stable_and_reading_then_writing_gives_the_same_bytes():
    assert STORE.encode() == DATA
    assert KeyStore.decode(DATA, PASSPHRASE).encode() == DATA


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_any_secret_and_binding_come_back(value, binding):
    store = STORE.copy()
    store.put("any", Secret(value), binding)

    assert value == store.get("any", binding).reveal()


def test_the_default_cost_is_that_of_the_design():
    store = KeyStore.create(PASSPHRASE, "night.example", "bank-a")

    assert Cost(memory_kib=64 * 1024, iterations=3, lanes=4) == DEFAULT_COST
    assert json.loads(store.encode())["argon2id"] == {
        "memory_kib": 65536,
        "iterations": 3,
        "lanes": 4,
    }
    assert KeyStore.decode(store.encode(), PASSPHRASE).names() == ()


def test_the_documented_steps_open_an_entry_without_this_module():
    document = json.loads(DATA)

    def field(*parts):
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    def unseal(key, text, context):
        sealed = base64.b64decode(text)
        return AESGCMSIV(key).decrypt(sealed[:12], sealed[12:], context)

    salt = base64.b64decode(document["salt"])
    wrapping = Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=64)
    names = (b"night.example", b"bank-a")
    context = field(b"master key", *names)
    master = unseal(wrapping.derive(b"correct horse"), document["master_key"], context)
    context = field(b"entry", *names, b"token/phone/1") + b"commitments"

    assert SHARE.reveal() == unseal(master, document["entries"]["token/phone/1"], context)


def test_a_wrong_passphrase_is_told_from_a_damaged_file():
    assert reason_of(lambda: KeyStore.decode(DATA, Secret(b"wrong"))) == "KEYSTORE_PASSPHRASE"
    assert reason_of(lambda: KeyStore.decode(DATA, Secret(b""))) == "KEYSTORE_PASSPHRASE"


def test_every_flipped_bit_of_the_file_is_noticed_or_changes_nothing():
    for index in range(len(DATA)):
        damaged = DATA[:index] + bytes([DATA[index] ^ 1]) + DATA[index + 1 :]
        if _reads_the_same(damaged):
            continue
        assert reason_of(lambda: KeyStore.decode(damaged, PASSPHRASE)) == "KEYSTORE_INVALID"  # noqa: B023 - called at once


def _reads_the_same(damaged):
    try:
        return json.loads(damaged) == json.loads(DATA)
    except ValueError:
        return False


def test_every_truncation_is_noticed():
    for length in range(len(DATA) - 1):
        assert reason_of(lambda: KeyStore.decode(DATA[:length], PASSPHRASE)) == "KEYSTORE_INVALID"  # noqa: B023 - called at once


@given(st.binary(max_size=200))
def test_reading_is_total(data):
    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_INVALID"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(JSON)
def test_reading_any_json_is_total(value):
    data = json.dumps(value).encode()

    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_INVALID"


@given(
    st.sampled_from(sorted(set(json.loads(DATA)) - {"sha256"})),
    JSON,
)
def test_any_forged_field_is_one_error(field, value):
    document = json.loads(DATA)
    if document[field] == value:
        return
    data = forge(lambda document: document.update({field: value}))

    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) in {
        "KEYSTORE_INVALID",
        "KEYSTORE_PASSPHRASE",
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["entries"].pop("signing"),
        lambda document: document["entries"].update(
            signing=document["entries"]["token/phone/1"],
        ),
        lambda document: document["entries"].update(other=document["entries"]["signing"]),
        lambda document: document.update(
            entries=json.loads(new_store().encode())["entries"],
        ),
        lambda document: document.update(version=2),
        lambda document: document["argon2id"].update(memory_kib=1 << 30),
        lambda document: document["argon2id"].update(lanes=True),
        lambda document: document["argon2id"].pop("lanes"),
        lambda document: document.update(code=""),
        lambda document: document.update(salt="AAAA"),
        lambda document: document.update(member="\ud800"),
    ],
    ids=[
        "an entry dropped",
        "an entry under another name",
        "an entry copied",
        "entries of another store",
        "version",
        "all memory",
        "a boolean",
        "no lanes",
        "no code",
        "short salt",
        "half a character",
    ],
)
def test_a_forged_store_is_refused_as_a_whole(change):
    data = forge(change)

    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_INVALID"


def test_a_store_of_another_member_does_not_open_as_ours():
    data = forge(lambda document: document.update(member="bank-b"))

    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_PASSPHRASE"


def test_an_entry_moved_in_memory_does_not_open_either():
    store, other = STORE.copy(), new_store("bank-b")
    store._entries["moved"] = store._entries["signing"]
    store._entries["foreign"] = other._entries["signing"]
    store._entries["short"] = b"short"

    for name in ("moved", "foreign", "short"):
        assert reason_of(lambda: store.get(name)) == "KEYSTORE_INVALID"  # noqa: B023 - called at once


def test_another_binding_does_not_open_an_entry():
    for binding in (b"", b"commitmentS"):
        assert reason_of(lambda: STORE.get("token/phone/1", binding)) == "KEYSTORE_INVALID"  # noqa: B023 - called at once


def test_a_name_and_a_binding_cannot_be_shifted_into_each_other():
    store = STORE.copy()
    store.put("ab", SHARE, b"c")
    store._entries["a"] = store._entries["ab"]

    assert reason_of(lambda: store.get("a", b"bc")) == "KEYSTORE_INVALID"


def test_an_absent_entry_has_its_own_reason_and_its_name_is_not_told():
    with pytest.raises(KeyStoreError) as caught:
        STORE.get("absent")

    assert caught.value.reason == "KEYSTORE_ENTRY_MISSING"
    assert "absent" not in str(caught.value)
    assert reason_of(lambda: STORE.copy().delete("absent")) == "KEYSTORE_ENTRY_MISSING"


def test_a_deleted_entry_is_gone_and_a_put_one_replaced():
    store = STORE.copy()
    store.delete("signing")
    store.put("token/phone/1", Secret(b"new"), b"other")

    assert store.names() == ("token/phone/1",)
    assert Secret(b"new") == store.get("token/phone/1", b"other")
    assert STORE.names() == ("signing", "token/phone/1")


def test_after_a_change_of_passphrase_only_the_new_one_opens():
    store = STORE.copy()
    store.change_passphrase(Secret(b"new"), CHEAP)
    data = store.encode()

    assert KeyStore.decode(data, Secret(b"new")).get("token/phone/1", b"commitments") == SHARE
    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_PASSPHRASE"


def test_a_file_that_is_too_long_is_refused_unread():
    data = b" " * (MAX_STORE_BYTES + 1)

    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_INVALID"


def test_deep_nesting_is_refused():
    data = b'{"format":' + b"[" * 100_000

    assert reason_of(lambda: KeyStore.decode(data, PASSPHRASE)) == "KEYSTORE_INVALID"


@pytest.mark.parametrize("name", ["", "Upper", "a b", "/a", "a" * 129, "ü"])
def test_an_entry_name_with_other_characters_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        STORE.copy().put(name, SHARE)


def test_an_empty_passphrase_or_an_odd_member_makes_no_store():
    with pytest.raises(ValueError, match="empty"):
        KeyStore.create(Secret(b""), "night.example", "bank-a", CHEAP)
    with pytest.raises(ValueError, match="letters"):
        KeyStore.create(PASSPHRASE, "night.example", "Bank A", CHEAP)


def test_a_wiped_store_opens_nothing():
    store = STORE.copy()
    store.wipe()

    assert reason_of(lambda: store.get("signing")) == "KEYSTORE_INVALID"


def test_no_secret_is_in_the_file_or_the_repr():
    shown = repr(STORE) + DATA.decode()
    master = STORE._master.reveal()

    for secret in (SHARE.reveal(), b"the seed", b"correct horse", master):
        assert secret.decode("latin-1") not in shown
        assert base64.b64encode(secret).decode().rstrip("=") not in shown
        assert secret.hex() not in shown


def test_a_later_state_of_the_same_store_opens_without_its_passphrase():
    later = KeyStore.decode(DATA, PASSPHRASE)
    later.put("token/phone/2", SHARE)
    later.delete("signing")
    later.change_passphrase(Secret(b"another horse"), CHEAP)
    found = KeyStore.decode(DATA, PASSPHRASE).reopen(later.encode())

    assert found.names() == later.names()
    assert found.get("token/phone/2") == SHARE
    assert found.encode() == later.encode()


@pytest.mark.parametrize(
    "data",
    [
        new_store().encode(),
        new_store("bank-b").encode(),
        forge(lambda document: document["entries"].pop("signing")),
        DATA[:-30],
        b"[]",
    ],
    ids=["another master key", "another member", "forged", "cut short", "no store"],
)
def test_a_state_of_another_store_does_not_open(data):
    assert reason_of(lambda: STORE.reopen(data)) == "KEYSTORE_INVALID"
