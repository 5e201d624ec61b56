"""The page's server as a process: killed in the middle, two raters at once, in a real browser."""

import json
import threading
import time
import uuid
from pathlib import Path

import pytest
from label_fakes import Server, free_port, recordings

from undertone.corpora import label_log

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")
ALONE = ("--no-learning",)
CHROMIUM = Path("/usr/bin/chromium")


class _Rater:
    """Somebody who answers as fast as the server does, and knows what was acknowledged."""

    def __init__(self, url: str) -> None:
        self.url, self.tab = url, f"tab-{uuid.uuid4()}"
        self.acknowledged: list[str] = []
        self.sent: dict[str, object] | None = None

    def work(self, most: int = 100) -> None:
        """Until the clips are used up, or the server is gone."""
        with httpx.Client(base_url=self.url, timeout=20) as client:
            try:
                for _ in range(most):
                    asked = {"tab": self.tab, "n": 1}
                    clips = client.post("/api/next", json=asked).json()["clips"]
                    if not clips:
                        return
                    self.answer(client, clips[0]["clip"])
            except httpx.HTTPError:
                return

    def answer(self, client, clip: int) -> None:
        self.sent = {
            **{"id": str(uuid.uuid4()), "tab": self.tab, "clip": clip, "answer": "emotion"},
            "shares": {"anger" if clip % 2 else "sadness": 1},
        }
        assert client.post("/api/labels", json=self.sent).json()["new"]
        self.acknowledged.append(str(self.sent["id"]))
        self.sent = None


def _ids(folder: Path) -> list[str]:
    lines = (folder / "labels.jsonl").read_bytes().splitlines()
    return [line["id"] for line in map(json.loads, lines) if line["kind"] == "label"]


def test_killed_restarted_and_shared_by_two_it_loses_and_doubles_nothing(tmp_path):
    recordings(tmp_path, n_speakers=4, each=10)
    port = free_port()
    anna = _killed_at_work(tmp_path, port)
    servers = [
        Server(tmp_path, port, extra=ALONE),
        Server(tmp_path, free_port(), rater="bert", extra=ALONE),
    ]
    try:
        for one in servers:
            one.wait()
        if anna.sent is not None:  # the page sends it again, as it is
            httpx.post(f"{anna.url}/api/labels", json=anna.sent, timeout=20)
        threads = [threading.Thread(target=one.work) for one in (anna, _Rater(servers[1].url))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        asked = {"tab": "tab-12345"}
        state = httpx.post(f"{anna.url}/api/state", json=asked, timeout=20).json()
    finally:
        ends = [one.stop() for one in servers]
    assert ends == [0, 0]
    ids = _ids(tmp_path)
    assert len(ids) == len(set(ids))
    log = label_log.load(tmp_path / "labels.jsonl")
    assert len(log.in_force()) == len(ids) == 80  # each of the two, each clip once
    assert log.set_aside == []
    assert state["raters"]["names"] == ["anna", "bert"]
    assert "labels of anna in" in servers[0].said()


def _killed_at_work(folder: Path, port: int) -> _Rater:
    """A rater whose server was killed; what was answered is on the disk."""
    server = Server(folder, port, extra=ALONE).wait()
    anna = _Rater(server.url)
    at_work = threading.Thread(target=anna.work)
    try:
        at_work.start()
        while len(anna.acknowledged) < 6:
            time.sleep(0.001)
    finally:
        server.kill()
    at_work.join(timeout=30)
    written = _ids(folder)
    assert set(anna.acknowledged) <= set(written)
    assert len(written) - len(anna.acknowledged) <= 1  # the answer that was lost on its way
    return anna


def test_ctrl_c_ends_it_from_the_moment_that_it_says_where_it_is(tmp_path):
    recordings(tmp_path, n_speakers=1, each=2)
    server = Server(tmp_path, free_port(), extra=ALONE)
    deadline = time.monotonic() + 120
    while "label at http" not in server.said() and time.monotonic() < deadline:
        assert server.process.poll() is None, server.said()
        time.sleep(0.001)
    assert server.stop() == 0
    assert "0 labels of anna in" in server.said()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def page_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    recordings(folder, n_speakers=4, each=8)
    server = Server(folder, free_port(), extra=("--sliders", "--no-learning")).wait()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with playwright.sync_playwright() as at_work:
        browser = at_work.chromium.launch(
            executable_path=str(CHROMIUM), args=["--autoplay-policy=no-user-gesture-required"]
        )
        yield browser
        browser.close()


CONTRAST = """() => {
  const light = (c) => {
    const v = c / 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  const of = (text) => {
    const whole = text.startsWith("color(srgb") ? 255 : 1;  // of a mixture, from 0 to 1
    const [r, g, b] = text.match(/[\\d.]+/g).map((n) => light(whole * Number(n)));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!c.endsWith(", 0)") && c !== "transparent") return c;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = "p, button, kbd, h1, h2, td, th, summary, label, output, span, code";
  return [...document.querySelectorAll(texts)]
    .filter((e) => e.offsetParent && e.textContent.trim() && !e.closest(":disabled"))
    .map((e) => {
      const a = of(getComputedStyle(e).color), b = of(behind(e));
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input, canvas, svg, table, section")]
  .filter((e) => e.offsetParent && !e.textContent.trim())
  .filter((e) => !(e.getAttribute("aria-label") || (e.labels && e.labels.length)))
  .map((e) => e.outerHTML.slice(0, 80))"""
FOCUSED = "document.activeElement.id || document.activeElement.dataset.emotion"
UNTIL = "text => document.querySelector('#status').textContent.includes(text)"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_clips_are_labelled_and_taken_back_by_keyboard_alone(page_server, browser, width, scheme):
    before = len(label_log.load(page_server.folder / "labels.jsonl").in_force())
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on(
        "request",
        lambda r: (
            None if r.url.startswith((page_server.url, "blob:", "data:")) else faults.append(r.url)
        ),
    )
    page.goto(page_server.url)

    def until(text):
        page.wait_for_function(UNTIL, arg=text)

    until("Clip of")
    page.wait_for_function(
        "() => document.querySelector('#clock').textContent.match(/of 0\\.[4-7] s/)"
    )
    for key, emotion in (("1", "anger"), ("2", "sadness"), ("1", "anger")):
        page.keyboard.press(key)
        until(f"{emotion}. Enter saves.")
        page.keyboard.press("ArrowUp")
        until("arousal 3.5")
        page.keyboard.press("Enter")
        until(f"Saved: {emotion}. Now a clip of")
    page.keyboard.press("?")
    until("Saved: can’t tell. Now a clip of")
    page.keyboard.press("m")
    for key in ("2", "2", "1"):
        page.keyboard.press(key)
    until("sadness 67 %, anger 33 %")
    page.keyboard.press("Enter")
    until("Saved: sadness and anger. Now a clip of")
    page.keyboard.press("u")
    until("Taken back: sadness and anger.")
    page.keyboard.press("u")
    until("Taken back: cannot tell.")
    page.keyboard.press("x")
    until("Saved: not speech. Now a clip of")
    labels = label_log.load(page_server.folder / "labels.jsonl").in_force()[before:]
    assert [one.answer for one in labels] == ["emotion"] * 3 + ["not speech"]
    assert [one.emotion for one in labels] == ["anger", "sadness", "anger", None]
    assert (labels[0].amounts, labels[0].shown["width"]) == ({"arousal": 3.5}, width)
    _reaches_answers_by_tab(page)
    page.keyboard.press("Space")  # the button that has the focus, not the sound
    until("anger. Enter saves.")
    _can_be_read_by_everybody(page, width)
    assert faults == []
    context.close()


def _can_be_read_by_everybody(page, width) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    assert page.locator("#status").get_attribute("aria-live") == "polite"


def _reaches_answers_by_tab(page) -> None:
    """Playing comes before answering; the first emotion has the focus at the end."""
    order = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(12):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.id || document.activeElement.dataset.emotion")
        )
        if order[-1] == "anger":
            break
    assert order[-6:] == ["play", "back", "loop", "slow", "undo", "anger"]


def test_single_keys_can_be_switched_off_and_a_click_leaves_the_space_bar_to_the_sound(
    page_server, browser
):
    context = browser.new_context(viewport={"width": 800, "height": 900})
    page = context.new_page()
    page.goto(page_server.url)
    page.wait_for_function(UNTIL, arg="Clip of")
    page.click("#loop")
    assert page.evaluate("document.activeElement === document.body")
    page.click("summary")
    page.uncheck("#keys-on")
    page.keyboard.press("2")
    assert page.get_attribute("button[data-emotion=sadness]", "aria-pressed") == "false"
    page.click("button[data-emotion=sadness]")
    assert page.get_attribute("button[data-emotion=sadness]", "aria-pressed") == "true"
    page.reload()
    assert not page.is_checked("#keys-on")
    context.close()


def test_an_answer_that_did_not_get_through_is_kept_and_sent_again(page_server, browser):
    context = browser.new_context()
    page, sent = context.new_page(), []
    page.goto(page_server.url)
    page.wait_for_function(UNTIL, arg="Clip of")
    page.on("request", lambda r: sent.append(r.post_data_json) if "/labels" in r.url else None)
    lost = (page_server.url + "/api/labels", lambda route: (route.fetch(), route.abort()))
    page.route(*lost)  # the answer reaches the log, and what the log says is lost
    page.keyboard.press("?")
    page.wait_for_selector("#problem:not([hidden])")
    assert "does not answer" in page.inner_text("#problem-text")
    page.unroute(*lost)
    page.keyboard.press("Enter")
    page.wait_for_function(UNTIL, arg="Saved: can’t tell")
    assert page.is_hidden("#problem")
    assert len(sent) == 2
    assert sent[0] == sent[1]
    ids = _ids(page_server.folder)
    assert ids.count(sent[0]["id"]) == 1
    context.close()


def test_what_was_saved_is_still_said_when_the_next_clip_comes_late(page_server, browser):
    context = browser.new_context()
    page, late = context.new_page(), []
    page.goto(page_server.url)
    page.wait_for_function(UNTIL, arg="Clip of")
    page.wait_for_load_state("networkidle")  # the clips ahead are there
    page.route("**/api/next", lambda route: late.append(route))  # a bound method is refused
    page.keyboard.press("?")
    page.wait_for_function(UNTIL, arg="Saved: can’t tell. Now a clip of")
    page.keyboard.press("x")
    page.wait_for_function(UNTIL, arg="Saved: not speech. Now a clip of")
    page.keyboard.press("?")
    page.wait_for_function(UNTIL, arg="Saved: can’t tell. Loading the next clip")
    late.pop().continue_()
    page.unroute("**/api/next")
    page.wait_for_function(UNTIL, arg="Saved: can’t tell. Now a clip of")
    context.close()
