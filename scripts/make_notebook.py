"""The tutorial as a notebook: ``docs/tutorial.ipynb``, without outputs.

    python scripts/make_notebook.py

Text becomes cells of text, blocks of Python cells of code, and each line of a block of commands a
line that begins with ``!``. The page is what is edited; a test runs the notebook as a whole.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
PAGE, NOTEBOOK = DOCS / "tutorial.md", DOCS / "tutorial.ipynb"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$\n?", re.M | re.S)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(page: str) -> dict[str, Any]:
    """The notebook of a page, in format 4.5."""
    cells, end = [], 0
    for block in BLOCK.finditer(page):
        cells += [_text(page[end : block.start()]), _code(*block.groups())]
        end = block.end()
    cells.append(_text(page[end:]))
    kept = [cell | {"id": f"cell-{i}"} for i, cell in enumerate(cells) if cell["source"]]
    return {
        "cells": kept,
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def written(page: str) -> str:
    """The file's text."""
    return json.dumps(notebook(page), ensure_ascii=False, indent=1) + "\n"


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.strip()}


def _code(kind: str, source: str) -> dict[str, Any]:
    lines = source.strip().split("\n")
    code = "\n".join(f"!{line}" for line in lines) if kind == "bash" else source.strip()
    empty: dict[str, Any] = {"execution_count": None, "metadata": {}, "outputs": []}
    return {"cell_type": "code", "source": code} | empty


if __name__ == "__main__":
    NOTEBOOK.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(NOTEBOOK, file=sys.stderr)
