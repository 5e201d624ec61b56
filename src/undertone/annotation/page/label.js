// One rater at work: a clip is heard, answered, saved; only then the next one, which is there already.

import { Player, samplesOf } from "/page/player.js";
import { showLearning, showRaters, withCode } from "/page/panels.js";

const AHEAD = 2; // clips besides the one that is heard
const MOST_HELD = 5; // clips that wait after many were taken back
const POLL_MS = 3000;
const SLOW = 0.7;
const get = (id) => document.getElementById(id);
const tab = `tab-${fresh()}`;

let about = null;
let current = null; // { clip, why, url, sound }
let queue = [];
let stale = false; // whether the server serves another session by now
let pending = null; // a request that was not answered yet, to be sent again as it is
let busy = false;
let asking = false;
let ended = false;
let counts = null;
let parts = {}; // of a mixed answer, by emotion
let saved = 0; // answers and undoings
let choosing = null; // "mixed" or "second"
let second = null;
let chosen = null; // an emotion that waits for Enter, where sliders are asked
let began = 0;
let waiting = ""; // what was said of the last answer, while the next clip is still on its way

function fresh() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

const player = new Player(get("picture"), () => {
  const playing = player.isPlaying;
  get("play").firstChild.textContent = playing ? "Pause " : "Play ";
  get("clock").textContent = current ? `${player.audio.currentTime.toFixed(1)} of ${player.seconds.toFixed(1)} s` : "";
});

async function ask(path, body) {
  const answer = await fetch(path, body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.error || `error ${answer.status}`), { status: answer.status });
  return told;
}

// To the session that this page was opened on, and to no other.
const asks = (path, body) => ask(path, { ...body, tab, of: about.of });

const held = () => [...(current ? [current.clip] : []), ...queue.map((one) => one.clip)];
const say = (text) => { get("status").textContent = text; };

// ---- clips ----

async function fill() {
  if (asking || ended) return;
  asking = true;
  try {
    while (held().length < 1 + AHEAD) {
      const { clips } = await asks("/api/next", { have: held(), n: 1 });
      if (!clips.length) { ended = true; break; }
      const loaded = await load(clips[0]);
      if (loaded) queue.push(loaded);
      if (!current && !busy) advance();
    }
  } catch (error) {
    trouble(error);
  } finally {
    asking = false;
  }
  if (!current && queue.length && !busy) advance();
  if (!current && !queue.length && ended) finish();
}

async function load(choice) {
  const answer = await fetch(`/api/clips/${choice.clip}`);
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    say(`A clip was passed over: ${told.error || "it cannot be played"}`);
    return null;
  }
  const buffer = await answer.arrayBuffer();
  try {
    const sound = samplesOf(buffer);
    return { ...choice, sound, url: URL.createObjectURL(new Blob([buffer], { type: "audio/wav" })) };
  } catch (error) {
    say(`A clip was passed over: ${error.message}`);
    return null;
  }
}

function advance(said = "") {
  if (current) URL.revokeObjectURL(current.url);
  current = queue.shift() || null;
  const told = said || waiting;
  waiting = current ? "" : told;
  show(told);
  fill();
}

async function show(said) {
  clear();
  player.show(current);
  get("why").textContent = current ? current.why || "–" : "–";
  for (const button of document.querySelectorAll("#answers button, #play, #back")) button.disabled = !current;
  where();
  began = performance.now();
  if (!current) { if (!ended) say(`${said}${said ? " " : ""}Loading the next clip …`); return; }
  const next = `${said ? `${said} Now a clip` : "Clip"} of ${player.seconds.toFixed(1)} s.`;
  say(next);
  if (get("at-once").checked && !(await player.start())) say(`${next} Press Space to play it.`);
}

function finish() {
  waiting = "";
  say(counts && counts.unplayed ? `That was the last clip; ${counts.unplayed} could not be played.` : "That was the last clip. Thank you!");
  get("why").textContent = "–";
}

function where() {
  if (!counts || !about) return;
  get("where").textContent = `${counts.mine} answered by you (${about.rater}); ${counts.everyone} of ${counts.clips} clips have an answer`;
}

// ---- answers ----

function clear() {
  parts = {}; second = null; chosen = null; choosing = null;
  for (const name of ["arousal", "valence"]) { get(name).dataset.given = ""; get(name).value = 3; }
  draw();
}

function draw() {
  const total = Object.values(parts).reduce((a, b) => a + b, 0);
  for (const button of get("emotions").children) {
    const name = button.dataset.emotion, part = button.querySelector(".part");
    const isSecond = second === name, isFirst = chosen === name;
    part.textContent = parts[name] ? `${Math.round((100 * parts[name]) / total)} %` : isSecond ? "second" : "";
    button.classList.toggle("chosen", Boolean(parts[name]) || isFirst || isSecond);
    // What saves at once is no switch, and is not announced as one.
    if (choosing || second || (about && about.sliders)) button.setAttribute("aria-pressed", String(Boolean(parts[name]) || isFirst || isSecond));
    else button.removeAttribute("aria-pressed");
  }
  get("mixed").setAttribute("aria-pressed", String(choosing === "mixed"));
  get("second").setAttribute("aria-pressed", String(choosing === "second" || second !== null));
  get("save").hidden = !(choosing === "mixed" || (about && about.sliders));
  get("hint").textContent = choosing === "mixed" ? "Mixed: each press adds a part to an emotion; Enter saves."
    : choosing === "second" ? "Second choice: press the emotion that you hear less."
    : second ? `Second choice ${second}: now press the emotion that you hear most.` : "";
  for (const name of ["arousal", "valence"]) get(`${name}-value`).textContent = get(name).dataset.given ? Number(get(name).value).toFixed(1) : "not given";
}

function press(emotion) {
  if (!current || busy) return;
  if (choosing === "mixed") { parts[emotion] = (parts[emotion] || 0) + 1; draw(); say(spoken()); return; }
  if (choosing === "second") { second = emotion; choosing = null; draw(); say(get("hint").textContent); return; }
  if (second === emotion) { say(`${emotion} is the second choice already: press another emotion.`); return; }
  chosen = emotion;
  if (about.sliders) { draw(); say(`${emotion}. Enter saves.`); return; }
  save("emotion");
}

function spoken() {
  const total = Object.values(parts).reduce((a, b) => a + b, 0);
  return Object.entries(parts).map(([name, n]) => `${name} ${Math.round((100 * n) / total)} %`).join(", ");
}

function shares() {
  if (choosing === "mixed") return parts;
  if (!chosen) return {};
  return second ? { [chosen]: 2, [second]: 1 } : { [chosen]: 1 };
}

function enter() {
  if (!get("problem").hidden) { again(); return; }
  if (!Object.keys(shares()).length) { if (current) say("Choose an emotion first."); return; }
  save("emotion");
}

async function save(answer) {
  if (!current || busy) return;
  const amounts = {};
  for (const name of ["arousal", "valence"]) if (about.sliders && get(name).dataset.given) amounts[name] = Number(get(name).value);
  const told = answer === "emotion" ? shares() : {};
  const text = answer === "emotion" ? Object.keys(told).join(" and ") : answer === "cannot tell" ? "can’t tell" : answer;
  pending = {
    path: "/api/labels", text,
    body: {
      id: fresh(), clip: current.clip, answer, shares: told, ...amounts, plays: player.plays,
      seconds: (performance.now() - began) / 1000, speed: player.speed, width: innerWidth,
    },
  };
  await send();
}

async function send() {
  busy = true;
  const { path, body, text } = pending;
  try {
    const told = await asks(path, body);
    pending = null;
    get("problem").hidden = true;
    counts = told.counts;
    saved += 1;
    busy = false;
    if (path === "/api/labels") advance(`Saved: ${text}.${told.why.startsWith("between ") ? ` The model was ${told.why}.` : ""}`);
    else await taken(told.label);
  } catch (error) {
    busy = false;
    trouble(error);
  }
}

async function undo() {
  if (busy) return;
  pending = { path: "/api/undo", text: "", body: { id: fresh() } };
  await send();
}

async function taken(label) {
  if (!label) { say("There is nothing to take back."); return; }
  const was = label.answer === "emotion" ? Object.keys(label.shares).join(" and ") : label.answer;
  if (label.clip === null) { say(`Taken back: ${was}, of a clip that is not among these.`); return; }
  const already = queue.findIndex((one) => one.clip === label.clip);
  const loaded = already >= 0 ? queue.splice(already, 1)[0]
    : current && current.clip === label.clip ? null : await load({ clip: label.clip, why: label.why });
  if (loaded) {
    if (current) queue.unshift(current);
    for (const one of queue.splice(MOST_HELD)) URL.revokeObjectURL(one.url); // somebody may hear them later
    current = loaded;
  }
  ended = false;
  waiting = "";
  show(`Taken back: ${was}.`);
}

// ---- trouble ----

function trouble(error) {
  const gone = error.status === undefined;
  stale = error.status === 409;
  get("problem-text").textContent = gone
    ? "The server does not answer. Start it again with the same command; what was saved is in the log, and this answer is kept here."
    : pending && pending.path === "/api/labels" ? `Not saved: ${error.message}` : error.message;
  get("problem").hidden = false;
}

async function again() {
  if (!about || stale) { location.reload(); return; }
  get("problem").hidden = true;
  if (pending) await send();
  await poll();
  fill();
}

// ---- state ----

// What others answered, or took, while it waited here; what is heard now stays.
function letGo(gone) {
  const kept = queue.filter((one) => !gone.includes(one.clip));
  for (const one of queue) if (!kept.includes(one)) URL.revokeObjectURL(one.url);
  if (kept.length === queue.length) return;
  queue = kept;
  fill();
}

async function poll() {
  const asked = held(), answered = saved;
  try {
    const told = await asks("/api/state", { have: asked });
    if (saved !== answered || pending) return; // it is older than what was said meanwhile
    counts = told.counts;
    letGo(told.gone);
    where();
    showLearning(told.learning, counts, about.assumed);
    showRaters(told.raters, about.rater);
    if (!pending && !get("problem").hidden) { get("problem").hidden = true; fill(); }
    if (ended && !current && counts.everyone < counts.clips) { ended = false; fill(); }
  } catch (error) {
    if (error.status === undefined || error.status === 409) trouble(error);
  }
}

// ---- keys and buttons ----

function toggle(button, set) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  set(on);
  return on;
}

const actions = {
  play: () => player.toggle(),
  back: () => player.back(),
  loop: () => say(toggle(get("loop"), (on) => { player.loop = on; }) ? "Loop on." : "Loop off."),
  slow: () => say(toggle(get("slow"), (on) => { player.speed = on ? SLOW : 1; }) ? "Slower." : "Usual speed."),
  undo,
  save: enter,
  again,
  "cannot-tell": () => save("cannot tell"),
  "not-speech": () => save("not speech"),
  mixed: () => { if (!busy) { choosing = choosing === "mixed" ? null : "mixed"; parts = {}; second = null; chosen = null; draw(); say(get("hint").textContent || "One emotion."); } },
  second: () => { if (!busy) { choosing = choosing === "second" || second ? null : "second"; parts = {}; second = null; draw(); say(get("hint").textContent || "One emotion."); } },
};

const keys = { " ": "play", b: "back", l: "loop", s: "slow", u: "undo", Backspace: "undo", x: "not-speech", "?": "cannot-tell", m: "mixed", w: "second" };

function amount(name, step) {
  const slider = get(name);
  slider.value = Math.max(1, Math.min(5, Number(slider.value) + step));
  slider.dataset.given = "yes";
  draw();
  say(`${name} ${Number(slider.value).toFixed(1)}`);
}

const arrows = { ArrowUp: ["arousal", 0.5], ArrowDown: ["arousal", -0.5], ArrowRight: ["valence", 0.5], ArrowLeft: ["valence", -0.5] };

function onKey(event) {
  if (!get("keys-on").checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const on = document.activeElement, own = on && on.matches("button, summary, input, a[href]");
  if (own && (event.key === " " || event.key === "Enter") && !(event.key === "Enter" && on.matches("input"))) return; // it acts on what has the focus
  if (on && on.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  const digit = /^(Digit|Numpad)([1-9])$/.exec(event.code);
  const emotion = digit && !event.shiftKey && about && about.emotions[Number(digit[2]) - 1];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (emotion) press(emotion);
  else if (key === "Enter") enter();
  else if (key === "Escape") clear();
  else if (arrows[key] && about && about.sliders) amount(...arrows[key]);
  else if (key === "ArrowLeft") actions.back();
  else if (keys[key]) actions[keys[key]]();
  else return;
  event.preventDefault();
}

function onClick(event) {
  // A pointer leaves no focus behind: the space bar that follows is meant for the sound.
  if (event.detail > 0) event.currentTarget.blur();
}

function remember(id) {
  const box = get(id), kept = localStorage.getItem(`undertone-${id}`);
  if (kept !== null) box.checked = kept === "true";
  box.addEventListener("change", () => localStorage.setItem(`undertone-${id}`, String(box.checked)));
}

async function begin() {
  for (const [id, act] of Object.entries(actions)) {
    get(id).addEventListener("click", (event) => { onClick(event); act(); });
  }
  for (const name of ["arousal", "valence"]) get(name).addEventListener("input", () => { get(name).dataset.given = "yes"; draw(); });
  remember("keys-on");
  remember("at-once");
  addEventListener("keydown", onKey);
  addEventListener("pagehide", () => navigator.sendBeacon("/api/leave", new Blob([JSON.stringify({ tab, of: about && about.of })], { type: "application/json" })));
  about = await ask("/api/about");
  about.emotions.forEach((name, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.emotion = name;
    button.setAttribute("aria-keyshortcuts", String(i + 1));
    const key = document.createElement("kbd"), text = document.createElement("span"), part = document.createElement("span");
    key.textContent = String(i + 1);
    text.textContent = name;
    part.className = "part";
    button.append(key, text, part);
    button.addEventListener("click", (event) => { onClick(event); press(name); });
    get("emotions").append(button);
  });
  get("sliders").hidden = !about.sliders;
  get("who").textContent = `You are ${about.rater}, the only rater so far.`;
  get("warning").hidden = !about.warning;
  get("warning").replaceChildren(...withCode(about.warning));
  get("done").hidden = !about.commands.length || !about.learns;
  get("commands").textContent = about.commands.join("\n");
  get("told").replaceChildren(...about.told.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
  document.title = `Label as ${about.rater} · Undertone`;
  draw();
  await poll();
  setInterval(poll, POLL_MS);
  fill();
}

begin().catch(trouble);
