"""Prose of Markdown at most 120 characters a line.

    python scripts/wrap_prose.py README.md docs/*.md

Paragraphs that hold a longer line are filled again; all others stay as they are, so that a change
shows what was changed. Tables, headings, code, HTML and lines of one unbreakable link are left.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WIDTH = 120
ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)]) +")
BEGINS_SOMETHING = re.compile(r"(?:[-*+>#|=]+|\d+[.)])(?:\s|$)|```|~~~|<|\||\[[^]]+\]:")
NOT_PROSE = re.compile(r"\s*(?:\||#{1,6} |<|\[[^]]+\]:|!!!|:::|---|===)")


class Paragraph(NamedTuple):
    """Lines of running text, and where they begin."""

    start: int
    lines: list[str]


def paragraphs(text: str) -> Iterator[Paragraph]:
    """Every paragraph and item of prose of a page."""
    found, fenced, before = Paragraph(0, []), "", ""
    for i, line in enumerate([*text.split("\n"), ""]):
        fence = re.match(r"\s*(?:> ?)?(```+|~~~+)", line)
        if fence and not fenced:
            fenced = fence.group(1)
        elif fenced:
            fenced = "" if line.strip().lstrip("> ") == fenced else fenced
            continue
        prose = not fence and line.strip() and not NOT_PROSE.match(line)
        code = re.match(r" {4}|\t", line) and not found.lines and not ITEM.match(before or "-")
        if found.lines and (not prose or ITEM.match(line) or _depth(line) != _depth(before)):
            yield found
            found = Paragraph(0, [])
        if prose and not (code and not ITEM.match(line)):
            found = Paragraph(found.start if found.lines else i, [*found.lines, line])
        before = line if line.strip() else before


def too_long(text: str) -> list[str]:
    """Lines of prose that are longer than they need to be."""
    found = []
    for paragraph in paragraphs(text):
        wide = [line for line in paragraph.lines if len(line) > WIDTH]
        found += sorted(set(wide) - set(filled(paragraph.lines))) if wide else []
    return found


def wrapped(text: str) -> str:
    """The page with its long paragraphs filled again."""
    lines = text.split("\n")
    for paragraph in reversed(list(paragraphs(text))):
        if any(len(line) > WIDTH for line in paragraph.lines):
            end = paragraph.start + len(paragraph.lines)
            lines[paragraph.start : end] = filled(paragraph.lines)
    return "\n".join(lines)


def filled(lines: list[str]) -> list[str]:
    """The same words in lines of at most ``WIDTH``, where words allow; a hard break ends one."""
    first, rest = _indents(lines[0])
    parts = [lines[0][len(first) :], *(line.strip().lstrip("> ") for line in lines[1:])]
    out, line = [], first
    for word in _words(" ".join(parts)):
        if len(line) + len(word) + 1 > WIDTH and line not in (first, rest):
            out.append(line.rstrip())
            line = rest
        line += word if line in (first, rest) else f" {word}"
    return [*out, line.rstrip()]


def _indents(line: str) -> tuple[str, str]:
    """What stands before the first line's text, and before that of the others."""
    if item := ITEM.match(line):
        return item.group(), " " * len(item.group())
    before = re.match(r"(?:> ?)*\s*", line)
    return before.group(), before.group()  # type: ignore[union-attr]


def _words(text: str) -> list[str]:
    """Words; one that would begin a list, a heading or a quotation stays behind its neighbour.

    >>> _words("a gain of - 3 points"), _words("`a b` or [a link](b.md)")
    (['a', 'gain', 'of - 3', 'points'], ['`a b`', 'or', '[a', 'link](b.md)'])
    """
    words: list[str] = []
    for word in re.findall(r"(?:`[^`]*`|\S)+", text):
        last = words[-1] if words else ""
        begins = BEGINS_SOMETHING.match(f"{word} ")
        behind = " " in last and BEGINS_SOMETHING.match(f"{last.rpartition(' ')[2]} ")
        if words and (begins or behind):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _depth(line: str) -> int:
    return len(re.match(r"(?:> ?)*", line).group().replace(" ", ""))  # type: ignore[union-attr]


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        page = path.read_text(encoding="utf-8")
        if (new := wrapped(page)) != page:
            path.write_text(new, encoding="utf-8")
            print(path)
