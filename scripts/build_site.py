"""The site of the pages: ``build/site``.

    python scripts/build_site.py

In:  ``docs/``, and what its pages link to outside of it (README, changelog, results of benchmarks).
Out: a folder of HTML, built by Zensical in its strict mode: a link to a page or a heading that is
     not there ends the build. Nothing is fetched, then or when a page is read. Pages open from the
     folder; the search needs a server, such as ``python -m http.server -d build/site``.

The pages are copied to ``build/pages``; the Python pages and the count of code blocks are made
there. Every page of ``docs/`` is in the menu: those that ``MENU`` does not name stand under More.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import api_pages

import undertone

ROOT = Path(__file__).parent.parent
DOCS, BUILD = ROOT / "docs", ROOT / "build"
PAGES, SITE = BUILD / "pages", BUILD / "site"
FILES = "files"  # of the site: what pages link to outside of docs
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
MENU: dict[str, tuple[str, ...]] = {
    "Start": ("index", "tutorial", "which-command", "glossary", "citing"),
    "Commands": (
        "cli",
        "settings",
        "service",
        "labelling",
        "picks",
        "timeline",
        "export",
        "serving",
    ),
    "Data and features": (
        "corpora",
        "features",
        "covarep",
        "csd",
        "mosei",
        "upstream",
        "text",
        "synthesis",
    ),
    "Models": ("voices", "self-training", "small-models", "layers", "probabilities"),
    "Evidence": (
        "results",
        "what-works",
        "experiments",
        "evaluation",
        "across",
        "stress",
        "audit",
        "recipes",
    ),
    "Python": ("python", "python-parts"),
    "Inside": ("benchmarks", "reliability", "code-blocks", "files/CHANGELOG", "files/CONTRIBUTING"),
}
SETTINGS: dict[str, Any] = {
    "site_name": "Undertone",
    "site_description": "Speech emotion recognition when labels are scarce",
    "docs_dir": PAGES.name,
    "site_dir": SITE.name,
    "use_directory_urls": False,  # pages open from a folder, without a server
    "extra_css": ["site.css"],
}
COUNTED = """\
# Code blocks of these pages

Every block of commands or Python is run by the tests, on small files with the names that the pages
use. A block that cannot be run says why above itself; its commands are parsed all the same, and its
imports are made.

| blocks | how many |
|---|---|"""
CSS = """\
.md-typeset table:not([class]) { font-size: .7rem; }
.md-typeset td:first-child code { white-space: nowrap; }
.md-typeset__scrollwrap {  /* a shadow stands at an edge behind which there is more */
  overflow-x: auto;
  background:
    linear-gradient(to left, var(--md-default-bg-color) 1rem, transparent)
      right / 2rem 100% no-repeat local,
    linear-gradient(to left, var(--md-default-fg-color--lighter), transparent)
      right / .8rem 100% no-repeat scroll;
}
.md-typeset__scrollwrap table:not([class]) { background: none; }
.md-nav--primary .md-nav__item .md-nav__link--active { color: var(--md-typeset-a-color); }
@media (max-width: 44.9em), print {
  .md-typeset pre > code { white-space: pre-wrap; overflow-wrap: anywhere; }
}
@media (max-width: 44.9em) {
  .md-typeset pre > code { padding-right: 2.4rem; }  /* of the button that copies */
}
@media print {
  .md-typeset__scrollwrap { background: none; overflow: visible; }
  .md-typeset table:not([class]) { font-size: .58rem; }
  .md-typeset table:not([class]) :is(th, td) {
    min-width: 0; padding: .4em .5em; overflow-wrap: anywhere;
  }
  .md-typeset td:first-child code { white-space: normal; }
}
.md-typeset h1, .md-typeset h2, .md-typeset h3 { overflow-wrap: anywhere; }
"""


def main() -> int:
    """Build it; the exit status of the build."""
    shutil.rmtree(PAGES, ignore_errors=True)
    stage(PAGES)
    config = BUILD / "zensical.toml"
    config.write_text(configured(menu(PAGES)), encoding="utf-8")
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"]
    return subprocess.run([*command, "--config-file", config], cwd=BUILD).returncode


def stage(folder: Path) -> None:
    """Copy the pages and what they link to; make those that are made."""
    placed = {path: folder / path.relative_to(DOCS) for path in DOCS.rglob("*") if path.is_file()}
    ahead = [path for path in placed if path.suffix == ".md"]
    ahead += [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
    while ahead:
        page = ahead.pop()
        placed.setdefault(page, folder / FILES / page.relative_to(ROOT))
        for target in linked(page):
            if target.is_file() and target not in placed:
                placed[target] = folder / FILES / target.relative_to(ROOT)
                ahead += [target] if target.suffix == ".md" else []
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    for path, new in placed.items():
        new.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            new.write_text(relinked(text, path, placed, folder), encoding="utf-8")
        else:
            shutil.copy(path, new)
    made = {
        "decisions/index.md": "# Decisions\n\n"
        + "\n".join(f"- [{title(p)}]({p.name})" for p in decisions),
        "python.md": api_pages.verbs(),
        "python-parts.md": api_pages.modules(),
        "code-blocks.md": counted(),
        "site.css": CSS,
    }
    for name, text in made.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def linked(page: Path) -> Iterator[Path]:
    """The files that a page links to by a relative link."""
    for path, _ in LINK.findall(page.read_text(encoding="utf-8")):
        yield Path(os.path.normpath(page.parent / path))


def relinked(text: str, page: Path, placed: dict[Path, Path], folder: Path) -> str:
    """The page with links to where files are on the site."""
    here = placed[page].parent

    def new(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(page.parent / match.group(1)))
        if target.is_dir() and target.is_relative_to(DOCS):
            there = folder / target.relative_to(DOCS) / "index.md"
        else:
            there = placed[target]
        return os.path.relpath(there, here) + (match.group(2) or "")

    return LINK.sub(new, text)


def menu(folder: Path) -> list[dict[str, Any]]:
    """Titles and pages by section; what no section names comes late."""
    found = {p.relative_to(folder).with_suffix("").as_posix(): p for p in folder.rglob("*.md")}
    named = {name for names in MENU.values() for name in names}
    sections = {head: [name for name in names if name in found] for head, names in MENU.items()}
    others = sorted(name for name in found if name not in named)
    sections["Decisions"] = sorted(name for name in others if name.startswith("decisions/"))
    sections["Decisions"].sort(key=lambda name: not name.endswith("index"))
    sections["More"] = [name for name in others if "/" not in name]
    return [
        {head: [{title(found[name]): f"{name}.md"} for name in names]}
        for head, names in sections.items()
        if names
    ]


def title(page: Path) -> str:
    """A page's first heading."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.M)
    return re.sub(r"[`*]", "", found.group(1)) if found else page.stem


def counted() -> str:
    """How many code blocks of the pages run in the tests, and why the others do not."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
    block = re.compile(r'^ *```(?:bash|python)(?: title="([^"]+)")?$', re.M)
    found = Counter(why for page in pages for why in block.findall(page.read_text("utf-8")))
    rows = [f"| {why or '**run**'} | {n} |" for why, n in sorted(found.items())]
    return "\n".join([COUNTED, *rows])


def configured(nav: list[dict[str, Any]]) -> str:
    """The configuration of Zensical as TOML."""
    lines = ["[project]", *(f"{name} = {json.dumps(value)}" for name, value in SETTINGS.items())]
    lines.append(f"copyright = {json.dumps(f'Undertone {undertone.__version__}, MIT licence')}")
    lines.append(f"nav = {inline(nav)}")
    lines.append(THEME)
    return "\n".join(lines)


def inline(value: Any) -> str:
    """Lists and tables of text as TOML in one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


THEME = """
[project.theme]
font = false
language = "en"
features = [
    "navigation.top", "navigation.footer", "navigation.prune",
    "toc.follow", "content.code.copy", "search.highlight",
]

[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"
toggle.icon = "lucide/sun"
toggle.name = "Dark"

[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"
toggle.icon = "lucide/moon"
toggle.name = "Light"

[project.markdown_extensions.admonition]
[project.markdown_extensions.attr_list]
[project.markdown_extensions.tables]
[project.markdown_extensions.md_in_html]
[project.markdown_extensions.footnotes]
[project.markdown_extensions.toc]
permalink = true
toc_depth = 3
slugify = {object = "pymdownx.slugs.slugify", kwds = {case = "lower"}}
[project.markdown_extensions.pymdownx.highlight]
anchor_linenums = false
[project.markdown_extensions.pymdownx.superfences]
[project.markdown_extensions.pymdownx.inlinehilite]
"""

if __name__ == "__main__":
    sys.exit(main())
