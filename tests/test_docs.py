"""The pages: links lead somewhere, lines are short, and what is made is made of today's code."""

import importlib
import json
import re
from pathlib import Path

import nbformat
import pytest
from docs_blocks import write_small_settings
from nbclient import NotebookClient
from test_label_server import CHROMIUM

ROOT = Path(__file__).parent.parent
DOCS, TESTS = ROOT / "docs", ROOT / "tests"
PAGES = [*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"!?\[[^]]*\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?(?:\s+\"[^\"]*\")?\)")
SMALLER = {"MINUTES = 0.5 ": "MINUTES = 0.1 ", "--budgets 20,all --draws 3": "--budgets 20"}
CODE = re.compile(r"^( *)(```+).*?^\1\2$", re.M | re.S)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    for path, anchor in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        assert not target.is_relative_to(ROOT / "build"), path
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor} is no heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_prose_is_at_most_120_characters_wide(page, script):
    wide = script("wrap_prose").too_long(page.read_text(encoding="utf-8"))
    assert not wide, f"python scripts/wrap_prose.py {page.relative_to(ROOT)}\n{wide[0]}"


def test_lines_are_filled_and_nothing_else_is_touched(script):
    wrap = script("wrap_prose")
    long = "a word " * 30
    table, code = f"| {long} | b |", f"```text\n{long}\n```"
    page = (
        f"# {long}\n\n{table}\n\n{code}\n\n* {long}- 3 and\n  more\n\n1. {long}\n\nshort\nlines\n"
    )
    new = wrap.wrapped(page)
    assert wrap.too_long(page)
    assert not wrap.too_long(new)
    assert new.split() == page.split()
    assert all(part in new for part in (table, code, "short\nlines"))
    assert wrap.wrapped(new) == new
    assert not re.search(r"^\s*- 3", new, re.M)


def test_settings_and_notebook_are_those_of_today(script):
    settings = script("settings_tables").page()
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings, (
        "run scripts/settings_tables.py"
    )
    for row in (
        r"\| `mask_share` \| a number \| `0.3` \| 0.001 to 0.999 \| of the steps: what is",
        r"\| `pooling` \| a text \| `\"mean\"` \| mean, mean_sd, last \|",
        r"\| `corpus` \| a text \| \*none\* \|",
    ):
        assert re.search(row, settings), row
    made = script("make_notebook").written((DOCS / "tutorial.md").read_text(encoding="utf-8"))
    assert (DOCS / "tutorial.ipynb").read_text(encoding="utf-8") == made, (
        "run scripts/make_notebook.py"
    )


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """On recordings of seconds, with small settings; commands run inside the one kernel."""
    text = (DOCS / "tutorial.ipynb").read_text(encoding="utf-8")
    assert not any(cell.get("outputs") for cell in json.loads(text)["cells"])
    for told, small in SMALLER.items():
        assert told in text
        text = text.replace(told, small)
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("!"):
            code = cell.source.replace("!", "")
            cell.source = f"for words in commands({code!r}): run(words, Path({str(tmp_path)!r}))"
    first = f"import sys; sys.path.append({str(TESTS)!r}); from docs_blocks import commands, run"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    write_small_settings(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    made = ("runs/curve/report.html", "models/mine/README.md", "second.html", "picks.csv")
    assert all((tmp_path / name).is_file() for name in made)
    assert list(tmp_path.rglob("0-timeline.html"))
    assert list(tmp_path.rglob("0-timeline.csv"))


@pytest.fixture
def site(script, tmp_path, monkeypatch):
    """The script, which builds into ``tmp_path / "site"``."""
    site = script("build_site")
    monkeypatch.setattr(site, "BUILD", tmp_path)
    monkeypatch.setattr(site, "PAGES", tmp_path / "pages")
    monkeypatch.setattr(site, "SITE", tmp_path / "site")
    assert site.main() == 0
    return site


def test_the_site_can_be_read_on_a_phone_in_either_scheme_and_on_paper(site, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    page = (tmp_path / "site" / "results.html").as_uri()
    with playwright.sync_playwright() as at_work:
        browser = at_work.chromium.launch(executable_path=str(CHROMIUM))
        for scheme in ("light", "dark"):
            shown = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
            shown.goto(page)
            assert shown.evaluate("document.documentElement.scrollWidth") <= 390
            table = shown.locator(".md-typeset__scrollwrap").first
            assert table.evaluate("e => e.scrollWidth > e.clientWidth")
            assert "scroll" in table.evaluate("e => getComputedStyle(e).backgroundAttachment")
            assert (
                table.locator("table")
                .evaluate("e => getComputedStyle(e).backgroundColor")
                .endswith(", 0)")
            )
            code = "[...document.querySelectorAll('pre > code')]"
            assert shown.evaluate(f"{code}.filter(e => e.scrollWidth > e.clientWidth).length") == 0
            colour = "e => getComputedStyle(e).color"
            here = shown.locator(".md-nav--primary .md-nav__link--active").last.evaluate(colour)
            assert here == shown.locator("article p a").first.evaluate(colour)
        shown = browser.new_page(viewport={"width": 720, "height": 1000})
        shown.goto((tmp_path / "site" / "benchmarks.html").as_uri())
        wide = "[...document.querySelectorAll('table')].filter(e => e.getBoundingClientRect().right"
        assert shown.evaluate(f"{wide} > 720).length") > 0
        shown.emulate_media(media="print")
        assert shown.evaluate(f"{wide} > 720).length") == 0
        browser.close()


def test_the_site_is_built_strictly_and_fetches_nothing(site, tmp_path):
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in tmp_path.rglob("*.html")}
    for page in DOCS.rglob("*.md"):
        assert page.relative_to(DOCS).with_suffix(".html").as_posix() in pages
    assert {"python.html", "python-parts.html", "code-blocks.html"} <= pages
    menu = str(site.menu(tmp_path / "pages"))
    for page in (tmp_path / "pages").rglob("*.md"):
        name = page.relative_to(tmp_path / "pages").as_posix()
        assert name in menu or name.startswith("files/"), name
    loads = re.compile(
        r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="?(https?:)?//(?!localhost)'
    )
    for path in (tmp_path / "site").rglob("*.html"):
        assert not loads.search(path.read_text(encoding="utf-8")), path
    verbs = (tmp_path / "pages/python.md").read_text()
    assert "```python\npredict(" in verbs
    assert "UndertoneError" in verbs


def test_the_page_names_every_variable_that_nodes_of_a_cluster_are_handed():
    from undertone.experiment.cluster import PASSED_ON

    page = Path("docs/scale.md").read_text(encoding="utf-8")
    told = page[page.index("**Your credentials go to the nodes.**") :].partition("\n\n")[0]
    assert all(f"`{begin}`" in told for begin in PASSED_ON)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as the site and code hosts make them."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    names = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        names.add(f"{slug}_{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return names
