"""The page in a real browser: a file, a microphone that hears a recording, a phone, no mouse."""

import contextlib
import http.server
import re
import shutil
import threading
import time

import numpy as np
import pytest
import soundfile
from service_fakes import noise, served, speech
from serving_fakes import RATE

SOUND = np.concatenate([noise(1), speech(2.5, 110), noise(1.2), speech(2.5, 260), noise(1)])
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "zwei Stimmen ü.wav"
    soundfile.write(path, SOUND, RATE)
    return path


@pytest.fixture(scope="module")
def browser(recording):
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed")
    options = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
    ]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def one():
    with served(workers=1) as service:
        yield service


@contextlib.contextmanager
def shown(browser, one, viewport, **options):
    """The page, which must ask nothing of elsewhere and make no error."""
    context = browser.new_context(viewport=viewport, base_url=one.url, **options)
    page = context.new_page()
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("/")
    page.wait_for_selector("html[data-ready]")
    yield page
    assert not problems
    assert all(url.startswith((one.url, "blob:", "data:")) for url in asked)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= viewport["width"]
    context.close()


def is_drawn(page, canvas: str) -> bool:
    """Whether a canvas shows more than one colour."""
    script = """id => { const c = document.getElementById(id);
    const d = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer);
    return new Set(d).size > 3; }"""
    return page.evaluate(script, canvas)


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_file_is_heard_and_shown_over_time(browser, one, recording, viewport):
    with shown(browser, one, viewport) as page:
        assert page.text_content("#model") == "fake"
        assert "nobody knows" in page.text_content("#promise")
        assert page.is_hidden("#bars")  # nothing is heard yet
        page.set_input_files("#file", recording)
        page.wait_for_selector("#spells:not([hidden])")
        assert page.text_content("#title") == recording.name
        rows = page.locator("#spells tbody tr").all_inner_texts()
        assert [row.split()[-2] for row in rows] == ["fear", "anger"]
        assert all(re.fullmatch(r"1?\.\d\d", row.split()[-1]) for row in rows)
        detail = page.text_content("#detail")
        assert re.match(r"in \d\d % of the speech, .*Of the whole recording", detail)
        first, second = (page.locator("#spells button.time").nth(i) for i in (0, 1))
        second.click()
        page.wait_for_selector("#emotion:text-is('anger')")
        first.click()
        page.wait_for_selector("#emotion:text-is('fear')")
        page.wait_for_timeout(100)
        assert is_drawn(page, "whole")
        assert is_drawn(page, "close")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#emotion:text-is('anger')")
        box = page.locator("#whole").bounding_box()
        page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 10)
        page.wait_for_selector("#emotion:text-is('no speech')")
        page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 10)
        page.wait_for_selector("#emotion:text-is('anger')")
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#emotion:text-is('fear')")


def test_a_microphone_is_followed(browser, one):
    """The fake microphone plays the recording over and over; the desk becomes a phone."""
    with shown(browser, one, PHONE, permissions=["microphone"]) as page:
        page.set_viewport_size(DESK)
        page.evaluate("""() => { window.seen = [];
        new MutationObserver(() => window.seen.push(document.getElementById("emotion").textContent))
        .observe(document.getElementById("emotion"), {childList: true, characterData: true}); }""")
        page.keyboard.press("m")
        deadline = time.monotonic() + 60
        while not {"fear", "anger", "no speech"} <= set(page.evaluate("window.seen")):
            assert time.monotonic() < deadline, page.evaluate("window.seen")
            page.wait_for_timeout(100)
        assert page.get_attribute("#speak", "aria-pressed") == "true"
        assert page.text_content("#live") in ("fear", "anger", "no speech", "…")
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(100)
        assert is_drawn(page, "whole")
        page.keyboard.press("Escape")
        page.wait_for_selector("#title:text-is('What was heard')")
        assert page.get_attribute("#speak", "aria-pressed") == "false"
        assert page.locator("#spells tbody tr").count() >= 1
        assert page.is_hidden("#problem")


def test_what_cannot_be_heard_is_told(browser, one, tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    tone = 0.1 * np.sin(np.arange(2 * RATE) / 5)
    soundfile.write(tmp_path / "<b>tone.wav", tone, RATE)
    context = browser.new_context(base_url=one.url)
    page = context.new_page()
    page.goto("/")
    page.wait_for_selector("html[data-ready]")
    page.set_input_files("#file", tmp_path / "text.wav")
    page.wait_for_selector("#problem:not([hidden])")
    assert "text.wav cannot be read as audio" in page.text_content("#problem")
    page.set_input_files("#file", tmp_path / "<b>tone.wav")
    page.wait_for_selector("#emotion:text-is('no speech')")
    assert "<b>tone.wav" in page.text_content("#detail")
    assert page.is_hidden("#problem")
    context.close()


def test_the_page_for_programs_shows_itself_without_a_network(browser, one):
    context = browser.new_context(base_url=one.url, viewport=PHONE)
    page = context.new_page()
    page.goto("/docs")
    headings = " ".join(page.locator("h2").all_inner_texts())
    for address in ("/predict", "/timeline", "/stream", "/health"):
        assert re.search(address, headings)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_page_of_a_stranger_reaches_nothing(browser, one):
    """A page on another port of this machine posts a recording, and opens a stream."""
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{other.server_port}/")
        script = """async url => {
            const form = new FormData();
            form.append("file", new Blob([new Uint8Array(99)]), "a.wav");
            await fetch(url + "/predict", {method: "POST", body: form, mode: "no-cors"})
                .catch(() => 0);
            return new Promise(done => {
                const socket = new WebSocket(url.replace("http", "ws") + "/stream");
                socket.onopen = () => done("open");
                socket.onerror = () => done("refused");
            });
        }"""
        before = one.service.admission._buckets.copy()
        assert page.evaluate(script, one.url) == "refused"
        assert one.service.admission._buckets == before
        context.close()
        other.shutdown()


class Stranger(http.server.BaseHTTPRequestHandler):
    """A page of somebody else."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>x</title>")

    def log_message(self, *_):
        pass
