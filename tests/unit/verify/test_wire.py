import os
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.verify.workers.wire import MAX_MESSAGE_BYTES, receive, send


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        yield reader, writer


def soon():
    return time.monotonic() + 0.05


@settings(deadline=None)
@given(st.text(st.characters()), st.characters(categories=["Cs"]))
def test_any_text_comes_back(text, surrogate):
    reading, writing = os.pipe()
    try:
        send(writing, {"text": text, "odd": surrogate}, None)
        assert receive(reading, None) == {"text": text, "odd": surrogate}
    finally:
        os.close(reading)
        os.close(writing)


def test_messages_keep_apart(pipe):
    reader, writer = pipe
    send(writer.fileno(), {"n": 1}, None)
    send(writer.fileno(), {"n": 2}, None)
    assert receive(reader.fileno(), soon()) == {"n": 1}
    assert receive(reader.fileno(), soon()) == {"n": 2}


def test_silence_is_a_timeout(pipe):
    reader, _ = pipe
    with pytest.raises(TimeoutError):
        receive(reader.fileno(), soon())


def test_a_reader_that_never_reads_is_a_timeout(pipe):
    _, writer = pipe
    os.set_blocking(writer.fileno(), False)
    with pytest.raises(TimeoutError):
        send(writer.fileno(), {"text": "x" * 1_000_000}, soon())


def test_what_lies_ready_is_taken_even_late(pipe):
    reader, writer = pipe
    send(writer.fileno(), {"n": 1}, None)
    assert receive(reader.fileno(), time.monotonic() - 1.0) == {"n": 1}


def test_a_gone_writer_amid_a_message(pipe):
    reader, writer = pipe
    writer.write(struct.pack(">I", 100) + b"{")
    writer.close()
    with pytest.raises(EOFError):
        receive(reader.fileno(), soon())


def test_a_gone_reader(pipe):
    reader, writer = pipe
    reader.close()
    with pytest.raises(EOFError):
        send(writer.fileno(), {}, soon())


@pytest.mark.parametrize(
    "raw", [struct.pack(">I", MAX_MESSAGE_BYTES + 1), struct.pack(">I", 2) + b"[]", struct.pack(">I", 2) + b"{x"]
)
def test_nonsense(pipe, raw):
    reader, writer = pipe
    writer.write(raw)
    with pytest.raises(ValueError, match=r"exceeds|not a JSON object|Expecting"):
        receive(reader.fileno(), soon())
