"""The page of a run as a browser shows it: first screen, switch, contrast, colours, print."""

import io
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import soundfile
from evaluation_fakes import result
from test_label_server import CHROMIUM, CONTRAST

from undertone.evaluation.curves import Truth
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.groups import Group, People, by_group, by_speaker
from undertone.evaluation.intervals import resample
from undertone.evaluation.misses import Miss
from undertone.evaluation.report import plots
from undertone.evaluation.report.page import write_report
from undertone.tasks import Classes

# What readers with deuteranopia see of linear RGB: Machado, Oliveira & Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", IEEE TVCG 15 (2009),
# table of severity 1.0.
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
TO_XYZ = np.array(  # of linear sRGB, IEC 61966-2-1
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
FULLEST = "e => e.style.setProperty('--share', 1)"  # a cell of a matrix that is always told so
PLAIN, CLEAR = 15, 40  # distance in CIELAB: of any two systems, of the three that are shown first


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with everything that a run can show of people and of misses."""
    some = Estimate(0.6, 0.5, 0.7, 6)
    group = Group("female", 6, 160, some, Estimate(0.02, -0.05, 0.09, 6))
    people = People("svm", 160, {"01": (0.5, 28), "02": (0.7, 28)}, {"sex": (group,)})
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(8000), 16000, format="MP3", subtype="MPEG_LAYER_III")
    misses = tuple(
        Miss(f"u{i}", "01", "anger", "fear .900 (anger .010)", sound.getvalue()) for i in range(10)
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(replace(result(), people=people, misses=misses), path)
    return path


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with playwright.sync_playwright() as at_work:
        browser = at_work.chromium.launch(executable_path=str(CHROMIUM))
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "height", "least"), [(1280, 800, 1.0), (390, 844, 0.6)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_curve_is_on_the_first_screen_and_everything_can_be_read(
    page, browser, width, height, least, scheme
):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    shown, asked = context.new_page(), []
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(page.as_uri())
    drawn = [box for svg in shown.locator(".curve svg").all() if (box := svg.bounding_box())]
    assert len(drawn) == 1  # three systems; all of them wait behind the switch
    assert (height - drawn[0]["y"]) / drawn[0]["height"] >= least
    shown.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    shown.evaluate(f"document.querySelectorAll('.matrix td').forEach({FULLEST})")
    assert not shown.evaluate(CONTRAST)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.locator("label.switch").first.click()
    assert shown.locator(".curve .every svg").nth(0 if width > 640 else 1).is_visible()
    assert not shown.locator(".curve .some").is_visible()
    assert all(url.startswith(("file:", "data:")) for url in asked)
    context.close()


def test_a_table_that_is_too_wide_shows_that_it_scrolls(page, browser):
    shown = browser.new_page(viewport={"width": 390, "height": 844})
    shown.goto(page.as_uri())
    table = shown.locator(".scroll").first
    assert table.evaluate("e => e.scrollWidth > e.clientWidth")
    assert "scroll" in table.evaluate("e => getComputedStyle(e).backgroundAttachment")
    shown.close()


def test_in_print_every_part_is_open_and_nothing_is_cut(page, browser):
    shown = browser.new_page(viewport={"width": 720, "height": 1000})
    shown.goto(page.as_uri())
    tables = "[...document.querySelectorAll('details table')]"
    hidden = f"{tables}.filter(e => !e.checkVisibility()).length"
    assert shown.evaluate(hidden) == shown.evaluate(f"{tables}.length") > 3
    shown.emulate_media(media="print")
    assert shown.evaluate(hidden) == 0
    cut = f"{tables}.filter(e => e.getBoundingClientRect().right > 720).length"
    assert shown.evaluate(cut) == 0
    assert shown.locator(".curve svg:visible").count() == 2  # three systems, and all
    assert shown.locator("audio:visible").count() == 0
    code = "[...document.querySelectorAll('pre, code')]"
    assert shown.evaluate(f"{code}.length") > 1
    longer = "e => e.append(' --config /a' + '/long/path'.repeat(20))"
    shown.evaluate(f"{code}.forEach({longer})")
    assert shown.evaluate(f"{code}.filter(e => e.getBoundingClientRect().right > 720).length") == 0
    heads = "e => getComputedStyle(e.querySelector('thead')).display"
    assert shown.locator("table").first.evaluate(heads) == "table-header-group"
    shown.close()


@pytest.mark.parametrize("scheme", [0, 1])
def test_colours_are_told_apart_by_readers_with_deuteranopia(scheme):
    css = files("undertone.evaluation.report").joinpath("report.css").read_text()
    named = re.findall(r"--series-\d: (#\w{6})", css)
    assert len(named) == 2 * len(plots.SERIES)
    assert tuple(named[: len(plots.SERIES)]) == plots.SERIES  # of the files beside the page
    colours = named[len(plots.SERIES) * scheme :][: len(plots.SERIES)]
    for seen in (np.eye(3), DEUTERANOPIA):
        lab = np.array([_lab(seen @ _linear(colour)) for colour in colours])
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        assert apart.min() > PLAIN
        assert apart[:3, :3].min() > CLEAR


def test_the_first_colours_are_those_of_the_systems_that_tell_most():
    whole = result()
    looks = plots.styles(whole.systems, whole.leading)
    assert [looks[name].colour for name in whole.leading] == list(plots.SERIES[:3])
    assert len({look.colour for look in looks.values()}) == len(whole.systems)


# --- groups of speakers


def test_what_a_group_is_better_by_has_its_sign_and_its_score_has_none(page):
    row = re.search(r'<th scope="row">female</th>(.*?)</tr>', page.read_text(), re.S).group(1)
    assert re.findall(r'<span class="value">([^<]*)<', row) == [".600", "+.020"]
    assert "[−.050, +.090]" in row.replace("\N{NO-BREAK SPACE}", " ")


def test_groups_are_measured_apart_and_against_each_other():
    """Speakers 0 to 3 are all right, 4 to 7 half; who is in no group counts in neither."""
    speaker = np.repeat(np.arange(9), 4)
    truth = np.eye(2)[np.tile([0, 0, 1, 1], 9)]
    said = truth.copy()
    said[(speaker >= 4) & (np.tile([0, 1, 0, 1], 9) == 1)] = truth[:, ::-1][
        (speaker >= 4) & (np.tile([0, 1, 0, 1], 9) == 1)
    ]
    of = Truth(Classes(("a", "b")), truth, speaker, resample(9, n_replicates=200))
    names = [*["female"] * 4, *["male"] * 4, None]
    female, male = by_group(said[None], of, names)
    assert (female.name, female.n_speakers, female.n_utterances) == ("female", 4, 16)
    assert (female.score.value, male.score.value) == (1.0, 0.5)
    assert (female.gain.value, male.gain.value) == (0.5, -0.5)
    assert female.gain.n_speakers == 4
    np.testing.assert_allclose(by_speaker(said[None], of), [1] * 4 + [0.5] * 5)
    assert by_group(said[None], of, ["x", *["y"] * 8]) == ()  # one speaker has no interval


def test_the_difference_that_could_be_seen_follows_the_interval():
    gain = Estimate(0.0, -0.1, 0.1, 8)
    assert Group("a", 4, 9, gain, gain).visible == pytest.approx(
        0.1 * (1.96 + 0.84) / 1.96, abs=1e-3
    )


def _linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB."""
    t = TO_XYZ @ np.clip(linear, 0, 1) / WHITE
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
