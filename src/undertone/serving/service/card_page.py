"""The card of a model as a page: the little Markdown that cards are written in.

In:  text: headings, paragraphs, lists, tables, code, emphasis.
Out: HTML. All that is text is escaped before anything is made of it, and nothing is a link.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from itertools import groupby

from markupsafe import Markup, escape

from undertone.recogniser.front_matter import without

HEADING = re.compile(r"(#{1,6})\s+(.*)")
APART = 0xE000  # where Unicode has no signs: those behind a backslash, until marks are found
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Undertone</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/page.css">
</head>
<body>
<main class="card">
<p class="eyebrow"><a href="/">Undertone</a> · the card of {model}</p>
{body}
</main>
</body>
</html>
"""


def card_page(card: str, model: str) -> str:
    """The page as text.

    Args:
        card: Markdown; may be empty.
        model: what the service calls it.
    """
    lines = (without(card).strip() or "This model has no card.").splitlines()
    title = next((found[2] for line in lines if (found := HEADING.match(line))), f"Card of {model}")
    body = "\n".join(_blocks(lines))
    return PAGE.format(title=escape(_bare(title)), model=escape(model), body=body)


def _blocks(lines: list[str]) -> Iterator[str]:
    fenced = False
    kinds = []
    for line in lines:
        if line.startswith("```"):
            fenced = not fenced
            kinds.append(("", ""))
        else:
            kinds.append(("code" if fenced else _kind(line, kinds[-1][0] if kinds else ""), line))
    for kind, group in groupby(kinds, key=lambda pair: pair[0]):
        if kind:
            yield BLOCKS[kind]([line for _, line in group])


def _kind(line: str, before: str) -> str:
    """What a line is part of; one that is indented belongs to the item above it."""
    if not line.strip():
        return ""
    if line.startswith("    ") and before != "list":
        return "code"
    if HEADING.match(line):
        return "heading"
    if line.lstrip().startswith("|"):
        return "table"
    if re.match(r"\s*[*-] ", line) or (before == "list" and line.startswith(" ")):
        return "list"
    return "text"


def _headings(lines: list[str]) -> str:
    found = [match for line in lines if (match := HEADING.match(line))]
    return "\n".join(f"<h{len(m[1])}>{_inline(m[2])}</h{len(m[1])}>" for m in found)


def _code(lines: list[str]) -> str:
    text = "\n".join(line.removeprefix("    ") for line in lines)
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _list(lines: list[str]) -> str:
    items: list[str] = []
    for line in lines:
        if re.match(r"\s*[*-] ", line) or not items:
            items.append(line.strip()[2:])
        else:
            items[-1] += " " + line.strip()
    return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"


def _table(lines: list[str]) -> str:
    rows = [_cells(line) for line in lines]
    has_rule = len(rows) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in rows[1])
    head, body = (rows[:1], rows[2:]) if has_rule else ([], rows)
    parts = ['<div class="scroll" tabindex="0"><table class="plain">']
    for tag, cell, group in (("thead", "th", head), ("tbody", "td", body)):
        made = ("".join(f"<{cell}>{_inline(one)}</{cell}>" for one in row) for row in group)
        parts.append(f"<{tag}>" + "".join(f"<tr>{row}</tr>" for row in made) + f"</{tag}>")
    return "".join(parts) + "</table></div>"


def _cells(line: str) -> list[str]:
    inner = re.sub(r"(?<!\\)\|$", "", line.strip().removeprefix("|"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", inner)]


def _text(lines: list[str]) -> str:
    return f"<p>{_inline(' '.join(line.strip() for line in lines))}</p>"


def _inline(text: str) -> Markup:
    r"""Text with code and bold; a sign behind a backslash is that sign.

    >>> print(_inline(r"**a** <b> `c*` \*d\* \<e\>"))
    <strong>a</strong> &lt;b&gt; <code>c*</code> *d* &lt;e&gt;
    """
    pieces = re.split(r"(`[^`]*`)", text)
    return Markup("".join(_code_or_text(piece) for piece in pieces))


def _code_or_text(piece: str) -> str:
    if len(piece) > 1 and piece.startswith("`") and piece.endswith("`"):
        return f"<code>{escape(piece[1:-1])}</code>"
    kept = re.sub(r"\\([!-/:-@\[-`{-~])", lambda found: chr(APART + ord(found[1])), piece)
    marked = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", str(escape(kept)))
    signs = f"[{chr(APART)}-{chr(APART + 127)}]"
    return re.sub(signs, lambda found: str(escape(chr(ord(found[0]) - APART))), marked)


def _bare(text: str) -> str:
    """Without marks, as the title of a window has it."""
    return unescape(re.sub(r"<[^>]*>", "", str(_inline(text))))


BLOCKS: Mapping[str, Callable[[list[str]], str]] = {
    "heading": _headings,
    "code": _code,
    "list": _list,
    "table": _table,
    "text": _text,
}
