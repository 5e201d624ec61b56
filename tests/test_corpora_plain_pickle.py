"""Pickles made to harm: each is refused by name, in little time and memory."""

import io
import pickle
import struct
import time
import tracemalloc

import numpy as np
import pytest

from undertone.corpora import plain_pickle
from undertone.corpora.mosei_pickle import load
from undertone.errors import UndertoneError

OF_NUMPY = b"cnumpy._core.multiarray\n"


def text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words.encode())) + words.encode()


def raw(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def kind(code: str, order: bytes = b"|") -> bytes:
    """Instructions that leave a type on the stack."""
    state = b"(K\x03" + text(order.decode()) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return b"cnumpy\ndtype\n(" + text(code) + b"\x89\x88tR" + state


def whole(*instructions: bytes) -> bytes:
    return b"\x80\x04" + b"".join(instructions) + b"."


def array(shape: bytes, code: str, content: bytes, order: bytes = b"<") -> bytes:
    start = OF_NUMPY + b"_reconstruct\n(cnumpy\nndarray\n(K\x00t" + raw(b"b") + b"tR"
    return start + b"(K\x01" + shape + kind(code, order) + b"\x89" + content + b"tb"


ADDRESS = raw(struct.pack("<Q", 0x4141414141414141))
HOSTILE = {
    "objects of the file's bytes": whole(
        b"cnumpy\nndarray\n(K\x01\x85" + text("O") + ADDRESS + b"tR"
    ),
    "objects by state": whole(array(b"K\x01\x85", "O8", ADDRESS, b"|")),
    "objects from a buffer": whole(
        b"cnumpy._core.numeric\n_frombuffer\n("
        + ADDRESS
        + kind("O8")
        + b"K\x01\x85"
        + text("C")
        + b"tR"
    ),
    "an object as a scalar": whole(OF_NUMPY + b"scalar\n(" + kind("O8") + ADDRESS + b"tR"),
    "a record of objects": whole(array(b"K\x01\x85", "V8", ADDRESS)),
    "an array called": whole(b"cnumpy\nndarray\n(K\x01\x85tR"),
    "an array made new": whole(b"cnumpy\nndarray\n)\x81"),
    "more elements than bytes": whole(array(b"J\x00\xca\x9a\x3b\x85", "f8", raw(b"12345678"))),
    "negative shape": whole(array(b"J\xff\xff\xff\xff\x85", "f8", raw(b"12345678"))),
    "large elements": whole(array(b"K\x00\x85", "U999999", raw(b""))),
    "text of no characters": whole(array(b"K\x01\x85", "U1", raw(b"\xff\xff\xff\xff"))),
    "a long range": b"c__builtin__\nlist\n(c__builtin__\nrange\n(I1000000000\ntRtR.",
    "many bytes": b"c__builtin__\nbytes\n(I100000000000\ntR.",
    "many bytes in an array": b"c__builtin__\nbytearray\n(I100000000000\ntR.",
    "a large number": whole(b"c__builtin__\nint\n(" + text("9" * 100_000) + b"tR"),
    "itself": whole(b"](h\x00e"[:1] + b"\x94h\x00a"),
    "an extension": whole(b"\x82\x01"),
    "an object kept elsewhere": b"Pelsewhere\n.",
    "an instance": b"(i__builtin__\nlist\n.",
    "an attribute": whole(b"cbuiltins\ngetattr\n"),
    "a submodule": whole(b"cnumpy.lib.npyio\nload\n"),
    "a method of an array": whole(b"cnumpy\nndarray.tofile\n"),
    "state of a list": whole(b"]}b"),
    "a far place in memory": b"I1\np1000000000000000000000\n.",
    "buffers of another file": whole(b"\x97"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_harm_is_refused_and_costs_little(tmp_path, name):
    path = tmp_path / "p.pkl"
    path.write_bytes(HOSTILE[name])
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(
        UndertoneError, match=r"asks for .*: it is refused|expected a pickle"
    ) as told:
        load(path)
    assert time.process_time() - began < 2
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert len(str(told.value).splitlines()) == 1


def test_containers_in_containers_have_an_end(tmp_path):
    for deep in (b"]" * 200_000 + b"a" * 199_999, b"K\x01" + b"\x85" * 200_000):
        (tmp_path / "p.pkl").write_bytes(whole(deep))
        with pytest.raises(UndertoneError, match="more than 32 containers in one another"):
            load(tmp_path / "p.pkl")


def test_a_deep_key_is_never_hashed(tmp_path):
    """The hash of a tuple in a tuple in … ends the process."""
    (tmp_path / "p.pkl").write_bytes(whole(b"}K\x01" + b"\x85" * 500_000 + b"K\x01s"))
    with pytest.raises(UndertoneError, match="keys that are no text, or odd ones"):
        load(tmp_path / "p.pkl")


def test_sharing_does_not_multiply(tmp_path):
    """Each list holds the one before ten times: 32 of them would be met 10^32 times."""
    laughs = b"]\x94" + b"".join(
        b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"e\x94" for i in range(20)
    )
    (tmp_path / "p.pkl").write_bytes(whole(laughs))
    with pytest.raises(UndertoneError, match="or too many"):
        load(tmp_path / "p.pkl")


def test_keys_whose_hashes_meet_are_counted(tmp_path):
    content = {(2**61 - 1) * k: 0 for k in range(3)}
    (tmp_path / "few.pkl").write_bytes(pickle.dumps(content))
    assert load(tmp_path / "few.pkl") == content
    stream = io.BytesIO()
    stream.write(b"\x80\x04}(")
    for k in range(60_000):
        number = ((2**61 - 1) * k).to_bytes(11, "little")
        stream.write(b"\x8a\x0b" + number + b"K\x00")
    (tmp_path / "many.pkl").write_bytes(stream.getvalue() + b"u.")
    began = time.process_time()
    with pytest.raises(UndertoneError, match="more than 10,000 keys"):
        load(tmp_path / "many.pkl")
    assert time.process_time() - began < 20


def test_a_step_too_many_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_pickle, "MOST_INSTRUCTIONS", 1000)
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(list(range(2000))))
    with pytest.raises(UndertoneError, match="more than 1,000 steps"):
        load(tmp_path / "p.pkl")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0, dtype=">f4").reshape(2, 3)),
        np.array([[True, False]]),
        np.array(["äb", "c"]),
        np.array([b"ab", b"c"]),
        np.array(3, dtype=np.int16),
        np.zeros((0, 4)),
        np.array([["v", 1.5], [None, [1, 2]]], dtype=object),
        np.arange(10)[::2],
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_every_plain_array_is_read_as_it_was(tmp_path, array, protocol):
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(array, protocol=protocol))
    found = load(tmp_path / "p.pkl")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape


def test_values_shared_and_plain_are_read_as_they_were(tmp_path):
    content = {"a": [1, -2, 2**70, 1.5, None, True, "é", b"\xff"], "s": {1, 2}, "t": (1, ("x",))}
    content["f"], content["c"] = frozenset({"a"}), 1 + 2j
    content["again"] = content["a"]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "p.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
        assert load(tmp_path / "p.pkl") == content
