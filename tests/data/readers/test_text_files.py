"""Invariants of the blocks that every reader is built on:

- whatever the size of a block, the blocks are whole lines and join to the file;
- a byte order mark, `\\r\\n`, gzip and a missing last line end do not show;
- line numbers are those of an editor;
- a file that cannot be read, is no UTF-8 or has a line too long is an
  `InputError`.
"""

import gzip

import pytest

from tfxc.data.readers import text_files
from tfxc.data.readers.text_files import line_blocks, line_of_row, parse_block
from tfxc.errors import InputError


def write(tmp_path, data, name="file.txt"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"a", b"a\n"),
        (b"\xef\xbb\xbf", b""),
        (b"\xef\xbb\xbfab\r\n\r\nc\r", b"ab\n\nc\n"),
        (b"a\rb\n\xef\xbb\xbf\n", b"a\rb\n\xef\xbb\xbf\n"),
        (b"long line\nx\n\n\nlast", b"long line\nx\n\n\nlast\n"),
        (
            "\u00e9\u4e2d\n\U0001f600".encode(),
            "\u00e9\u4e2d\n\U0001f600\n".encode(),
        ),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_blocks_are_whole_lines(
    tmp_path, monkeypatch, block_bytes, data, expected, zipped
):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    path = write(tmp_path, gzip.compress(data, mtime=0) if zipped else data)
    blocks = list(line_blocks(path))
    assert b"".join(block for _, block in blocks) == expected
    line = 1
    for first, block in blocks:
        assert first == line
        assert block.endswith(b"\n")
        line += block.count(b"\n")


def test_small_blocks_are_several_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 4)
    assert len(list(line_blocks(write(tmp_path, b"ab\ncd\nef\n")))) == 2


@pytest.mark.parametrize("block_bytes", [2, 100])
def test_invalid_utf8_names_the_line(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", block_bytes)
    path = write(tmp_path, b"one\r\n\nth\xffree\nfour\n")
    with pytest.raises(
        InputError, match=r"file.txt, line 3: .*Received: byte 0xff"
    ):
        list(line_blocks(path))


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"text\n" * 99, mtime=0)[:-9],  # truncated
        gzip.compress(b"text\n" * 99, mtime=0)[:-8] + b"\0" * 8,  # wrong sum
        gzip.compress(b"text\n", mtime=0) + b"more",  # something behind it
        b"\x1f\x8b",
        b"\x1f\x8bno gzip at all",
    ],
)
def test_broken_gzip(tmp_path, data):
    path = write(tmp_path, data, "file.txt.gz")
    with pytest.raises(InputError, match=r"file.txt.gz: .*Received: "):
        list(line_blocks(path))


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_unreadable(tmp_path, name):
    with pytest.raises(InputError, match=r"can be read.*Received: "):
        list(line_blocks(tmp_path / name))


def test_line_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 4)
    monkeypatch.setattr(text_files, "MAX_LINE_BYTES", 10)
    with pytest.raises(InputError, match=r"at most 10 bytes. Received: "):
        list(line_blocks(write(tmp_path, b"ab\n" + b"x" * 99)))


def test_line_of_row_skips_blank_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 2)
    path = write(tmp_path, b"zero\n\n \none\n\ntwo")
    assert [line_of_row(path, row, b" ") for row in range(3)] == [1, 4, 6]
    assert [line_of_row(path, row, b"") for row in range(3)] == [1, 3, 4]


def test_a_block_that_only_compiled_code_refuses_is_an_input_error():
    def refuse(block):
        raise text_files.Malformed("something")

    with pytest.raises(
        InputError, match=r"f, lines 5 to 6: .*Received: something"
    ):
        parse_block("f", 5, b"a\nb\n", refuse, lambda where, line: None)
