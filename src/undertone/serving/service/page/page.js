// The page of the service: a microphone or a file in, emotions over time out.
(() => {
  const LAST_S = 30; // of a stream that are shown
  const CLOSE_S = 60; // of a file that the lower ribbons show
  const KEPT_S = 600; // of a stream that are kept
  const PIECE_S = 0.1; // of the microphone, sent at once
  const QUIET = 0.0005; // of full scale, below which a microphone hears nothing
  const QUIET_S = 4; // before that is said
  const SAID_MS = 2000; // at least between two announcements
  const OFTEN = 4096; // bytes that wait to be sent: more, and pieces are left out

  const at = id => document.getElementById(id);
  const audio = at("audio");
  let about = null; // the model
  let data = null; // what ribbons draw
  let place_s = 0;
  let live = null; // the microphone, while it is open
  let asking = null; // the request under way
  let address = null; // of the file in the player
  let saidAt = 0;
  let toSay = "";
  let speaking = null; // the timer of the next announcement
  let isDue = false;

  // ---- what is shown ----------------------------------------------------------------------------

  function problem(text) {
    at("problem").textContent = text || "";
    at("problem").hidden = !text;
  }

  function show({ values, large, detail }) {
    const none = !values;
    at("now").classList.remove("empty");
    if (at("emotion").textContent !== large) at("emotion").textContent = large;
    at("emotion").classList.toggle("none", none);
    at("detail").textContent = detail || "";
    const best = none ? -1 : ribbons.likeliest(values);
    [...at("bars").children].forEach((item, k) => {
      const width = none ? 0 : Math.min(1, Math.max(0, ribbons.share(data, values[k], k)));
      item.classList.toggle("likeliest", data.chooses && k === best);
      item.querySelector(".bar span").style.width = `${100 * width}%`;
      item.querySelector(".value").textContent = none ? "–" : shown(values[k]);
    });
    announce(large);
  }

  // What is said last is said in any case, but not more often than a person can hear.
  function announce(text) {
    toSay = text;
    speaking ||= setTimeout(() => {
      speaking = null;
      saidAt = Date.now();
      if (at("live").textContent !== toSay) at("live").textContent = toSay;
    }, Math.max(0, saidAt + SAID_MS - Date.now()));
  }

  const shown = value => (data.chooses ? ribbons.decimal(value) : value.toFixed(2));

  function judged(values, note) {
    if (!data.chooses) return { values, large: "speech", detail: note || "" };
    const k = ribbons.likeliest(values);
    const sure = `probability ${shown(values[k])}, where chance is ${shown(1 / values.length)}`;
    return { values, large: data.outputs[k], detail: note ? `${sure}; ${note}` : sure };
  }

  function bars() {
    at("bars").replaceChildren(...data.outputs.map((output, k) => {
      const item = document.createElement("li");
      for (const name of ["name", "bar", "value"]) {
        const part = document.createElement("span");
        part.className = name;
        item.append(part);
      }
      item.children[0].textContent = output;
      item.children[1].append(document.createElement("span"));
      item.children[1].firstChild.style.background = ribbons.colour(k);
      item.children[2].textContent = "–";
      return item;
    }));
  }

  function draw() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (at("picture").hidden || !data.tracks.length) return;
      const end = Math.max(data.lasts, live ? LAST_S : 0.1);
      const from = live ? Math.max(0, end - LAST_S) : 0;
      const width = Math.min(live ? LAST_S : CLOSE_S, end);
      const near = live ? from : Math.min(end - width, Math.max(0, place_s - width / 2));
      const box = !live && width < end ? [near, near + width] : null;
      const track = data.tracks[0];
      ribbons.drawWhole(at("whole"), data, track, { from, to: end, place: place_s, box });
      ribbons.drawClose(at("close"), data, track, { from: near, to: near + width, place: place_s });
    });
  }

  function picture(title) {
    at("picture").hidden = false;
    at("title").textContent = title;
    at("reading").textContent = data.chooses
      ? "The upper ribbon has the colour of the likeliest emotion; where it is thin, another one is nearly as likely. Below each emotion has a ribbon of its own, as thick as it is probable. Hatching is no speech, dots are what could not be judged."
      : "The larger an amount, the thicker its ribbon. Hatching is no speech, dots are what could not be judged.";
    at("notes").hidden = true;
    at("spells").hidden = true;
    audio.hidden = true;
  }

  function listSpells() {
    const spells = data.tracks[0].spells;
    at("spells").hidden = !spells.length;
    at("spells").tBodies[0].replaceChildren(...spells.slice(0, 500).map(spell => {
      const [start, end, name] = spell;
      const row = document.createElement("tr");
      const to = document.createElement("button");
      to.type = "button";
      to.className = "time";
      to.textContent = ribbons.time(start);
      to.addEventListener("click", () => !live && go(start));
      const probability = ribbons.decimal(spell[3] ?? probabilityOf(start, end));
      for (const content of [to, ribbons.time(end), name, probability]) {
        const cell = document.createElement(content === to ? "th" : "td");
        cell.append(content);
        row.append(cell);
      }
      row.children[2].className = "text phrase";
      return row;
    }));
  }

  // The mean of the likeliest, of a stretch that was heard live.
  function probabilityOf(start, end) {
    const within = data.tracks[0].steps.filter(step => step[0] >= start && step[1] <= end + 0.01);
    const values = within.map(step => Math.max(...step.slice(2)));
    return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
  }

  function empty() {
    const { outputs, chooses, low, high } = about;
    const of = (value, otherwise) => outputs.map(() => value ?? otherwise);
    data = { outputs, chooses, low: of(low, 0), high: of(high, 1), lasts: 0, tracks: [] };
    place_s = 0;
  }

  // ---- a file -----------------------------------------------------------------------------------

  async function hear(file) {
    stop();
    asking?.abort();
    problem("");
    empty();
    const request = asking = new AbortController();
    const limit = about.limits;
    at("picture").hidden = true;
    if (file.size > limit.megabytes * 1e6) {
      show({ large: "too large", detail: "" });
      problem(`${file.name} has more than ${limit.megabytes} MB, which is the most that is taken.`);
      return;
    }
    show({ large: "listening …", detail: file.name });
    const form = new FormData();
    form.append("file", file, file.name);
    try {
      const answer = await fetch("/timeline", { method: "POST", body: form, signal: request.signal });
      const told = await answer.json();
      if (request !== asking) return;
      if (answer.ok) over(file, told);
      else if (told.kind === "no speech") show({ large: "no speech", detail: `Nobody speaks in ${file.name}.` });
      else refused(told.error);
    } catch (error) {
      if (error.name !== "AbortError") refused("The service does not answer: is it still running?");
    }
  }

  function refused(text) {
    show({ large: "–", detail: "" });
    problem(text);
  }

  function over(file, told) {
    data = told.drawn;
    bars();
    picture(told.file);
    at("reading").textContent = `${told.sentence} ${at("reading").textContent}`;
    at("notes").replaceChildren(...told.notes.map(note => {
      const line = document.createElement("p");
      line.textContent = note;
      return line;
    }));
    at("notes").hidden = !told.notes.length;
    listSpells();
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(file);
    audio.src = address;
    audio.hidden = false;
    ofWhole();
    draw();
  }

  // Until it is played, what stands in large letters is that of the whole recording.
  function ofWhole() {
    const { text, emotion, doubt, values } = data.whole;
    const detail = "Of the whole recording: play it, or click into it, to see each moment.";
    const rest = emotion && text.startsWith(emotion) ? text.slice(emotion.length + 1) : text;
    if (!values) show({ large: doubt || "not judged", detail: text });
    else show({ values, large: emotion || (data.chooses ? "not sure" : "speech"), detail: `${rest}. ${detail}` });
  }

  function go(s) {
    place_s = Math.min(data.lasts, Math.max(0, s));
    if (audio.readyState) audio.currentTime = place_s;
    placed();
  }

  function placed() {
    const step = ribbons.stepAt(data.tracks[0], place_s);
    const detail = `at ${ribbons.time(place_s)} of ${ribbons.time(data.lasts)}`;
    const doubt = ribbons.doubtAt(data.tracks[0], place_s);
    if (!step || step[2] === null) show({ large: doubt || "no speech", detail });
    else show(judged(step.slice(2), doubt ? `${doubt}; ${detail}` : detail));
    draw();
  }

  function follow() {
    if (live || audio.hidden || !data.tracks.length) return;
    if (Math.abs(audio.currentTime - place_s) > 0.02) {
      place_s = audio.currentTime;
      placed();
    }
    if (!audio.paused) requestAnimationFrame(follow);
  }

  // ---- the microphone ---------------------------------------------------------------------------

  async function speak() {
    asking?.abort();
    asking = null;
    audio.pause();
    problem("");
    const mine = live = { level: 0, loud: performance.now(), pieces: [], n: 0 };
    pressed(true);
    empty();
    bars();
    show({ large: "…", detail: "The browser asks whether it may use the microphone." });
    try {
      if (!navigator.mediaDevices) throw new Error("insecure");
      const exact = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      mine.media = await navigator.mediaDevices.getUserMedia({ audio: exact });
      mine.context = new AudioContext();
      await mine.context.audioWorklet.addModule("/assets/capture.js");
      await mine.context.resume();
      if (live !== mine) return close(mine);
      connect(mine);
    } catch (error) {
      close(mine);
      if (live === mine) ended(microphone(error));
    }
  }

  function microphone(error) {
    if (error.message === "insecure") {
      return "Browsers give a page the microphone only on this machine or over HTTPS: open it as http://localhost.";
    }
    return {
      NotAllowedError: "The browser may not use the microphone: allow it beside the address, and try again.",
      NotFoundError: "There is no microphone: connect one, or choose a file.",
      NotReadableError: "Another program holds the microphone: close it, and try again.",
    }[error.name] || `The microphone cannot be used: ${error.message}`;
  }

  function connect(mine) {
    const rate = mine.context.sampleRate;
    const socket = mine.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/stream`);
    socket.onopen = () => socket.send(JSON.stringify({ rate, live: true }));
    socket.onmessage = event => heard(mine, JSON.parse(event.data));
    socket.onclose = event => {
      if (live !== mine) return;
      const gone = event.code === 1012 || event.code === 1006;
      ended(mine.problem || (gone ? "The service has ended: start it again." : "The stream has ended."));
    };
    const source = mine.context.createMediaStreamSource(mine.media);
    const capture = new AudioWorkletNode(mine.context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = event => captured(mine, event.data, rate);
    source.connect(capture);
    mine.media.getAudioTracks()[0].onended = () => live === mine && ended("The microphone is gone.");
    show({ large: "…", detail: "Speak." });
  }

  function captured(mine, block, rate) {
    mine.pieces.push(block);
    mine.n += block.length;
    if (mine.n < PIECE_S * rate) return;
    const samples = new Int16Array(mine.n);
    let i = 0;
    let peak = 0;
    for (const piece of mine.pieces) {
      for (const value of piece) {
        peak = Math.max(peak, Math.abs(value));
        samples[i++] = Math.round(Math.max(-1, Math.min(1, value)) * 32767);
      }
    }
    mine.pieces = [];
    mine.n = 0;
    meter(mine, peak);
    const { socket } = mine;
    const waits = socket.bufferedAmount > OFTEN * Math.max(1, rate / 8000);
    if (mine.ready && socket.readyState === WebSocket.OPEN && !waits) socket.send(samples);
  }

  function meter(mine, peak) {
    const now = performance.now();
    if (peak > QUIET) mine.loud = now;
    mine.isMute = now - mine.loud > 1000 * QUIET_S;
    const decibel = 20 * Math.log10(Math.max(peak, 1e-4));
    at("level").firstElementChild.style.width = `${Math.max(0, 100 + (100 * decibel) / 60)}%`;
  }

  function heard(mine, row) {
    if (live !== mine) return;
    if (row.ready) {
      mine.ready = true;
      picture("Live");
      data.tracks = [{ stretches: [], steps: [], spells: [], doubts: [] }];
    } else if (row.error && row.time === undefined) mine.problem = row.error;
    else if (!row.done) added(mine, row);
  }

  function added(mine, row) {
    const track = data.tracks[0];
    const from = data.lasts;
    data.lasts = place_s = row.time;
    const keys = data.chooses ? Object.keys(row).filter(key => key.startsWith("p_")) : about.outputs;
    const values = keys.map(key => row[key]).slice(0, data.outputs.length);
    const isJudged = row.speech && values.length && values.every(Number.isFinite);
    if (row.speech) join(track.stretches, [from, row.time], () => true);
    if (row.speech && row.doubt) {
      join(track.doubts, [from, row.time, row.doubt], last => last[2] === row.doubt);
    }
    if (isJudged) {
      track.steps.push([from, row.time, ...values]);
      if (about.low === null || about.high === null) scale(values);
      if (data.chooses) {
        const name = data.outputs[ribbons.likeliest(values)];
        join(track.spells, [from, row.time, name], last => last[2] === name);
      }
    }
    for (const list of Object.values(track)) {
      while (list.length && list[0][1] < row.time - KEPT_S) list.shift();
    }
    if (isJudged && (row.emotion || !data.chooses)) show(judged(values, row.note));
    else if (isJudged) show({ ...judged(values, row.note), large: row.doubt || "not sure" });
    else if (row.error) show({ large: "–", detail: row.error });
    else if (row.speech) show({ large: row.doubt || "…", detail: row.note });
    else show({ large: "no speech", detail: mine.isMute ? "Nothing is heard: is the microphone muted?" : "" });
    draw();
  }

  // Amounts without a scale are drawn from the least to the most that was heard.
  function scale(values) {
    data.low.fill(Math.min(data.low[0], ...values));
    data.high.fill(Math.max(data.high[0], ...values));
  }

  function join(list, next, same) {
    const last = list[list.length - 1];
    if (last && next[0] - last[1] < 0.01 && same(last)) last[1] = next[1];
    else list.push(next);
  }

  function pressed(isOpen) {
    at("speak").setAttribute("aria-pressed", String(isOpen));
    at("speak-text").textContent = isOpen ? "Stop" : "Speak";
    at("level").hidden = !isOpen;
  }

  function close(mine) {
    mine.media?.getTracks().forEach(track => track.stop());
    mine.context?.close();
    if (mine.socket?.readyState === WebSocket.OPEN) {
      mine.socket.send(JSON.stringify({ end: true }));
      mine.socket.close();
    }
  }

  function ended(text) {
    const mine = live;
    live = null;
    close(mine);
    pressed(false);
    if (text) problem(text);
    if (data.tracks.length) {
      at("title").textContent = "What was heard";
      listSpells();
      draw();
    }
    if (!data.lasts) show({ large: "–", detail: "" });
  }

  function stop() {
    if (live) ended("");
  }

  // ---- hands ------------------------------------------------------------------------------------

  const toggle = () => (live ? stop() : speak());
  const keys = {
    m: toggle,
    o: () => at("file").click(),
    Escape: stop,
    " ": () => !audio.hidden && (audio.paused ? audio.play().catch(() => {}) : audio.pause()),
    ArrowLeft: () => !audio.hidden && go(place_s - 5),
    ArrowRight: () => !audio.hidden && go(place_s + 5),
  };

  function listen() {
    at("speak").addEventListener("click", toggle);
    at("file").addEventListener("change", event => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) hear(file);
    });
    document.addEventListener("keydown", event => {
      const deed = keys[event.key] || keys[String(event.key).toLowerCase()];
      const own = ["INPUT", "AUDIO"].includes(event.target.tagName);
      const pressing = event.key === " " && ["BUTTON", "A"].includes(event.target.tagName);
      if (!deed || own || pressing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      deed();
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(name, event => {
        event.preventDefault();
        at("drop").classList.toggle("over", name === "dragover");
      });
    }
    document.addEventListener("drop", event => {
      const [file] = event.dataTransfer.files;
      if (file) hear(file);
    });
    at("whole").addEventListener("click", event => {
      if (!live) go((event.offsetX / at("whole").clientWidth) * data.lasts);
    });
    audio.addEventListener("error", () => {
      if (!audio.hidden && audio.src) at("title").textContent += " (this browser cannot play it)";
    });
    for (const name of ["play", "seeked", "timeupdate"]) audio.addEventListener(name, follow);
    for (const name of ["resize", "beforeprint", "afterprint"]) window.addEventListener(name, draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      [...at("bars").children].forEach((item, k) => {
        item.children[1].firstChild.style.background = ribbons.colour(k);
      });
      draw();
    });
    window.addEventListener("pagehide", stop);
  }

  async function begin() {
    try {
      about = await (await fetch("/about")).json();
    } catch {
      problem("The service does not answer: start it again, and load this page anew.");
      return;
    }
    at("model").textContent = about.model;
    at("promise").textContent = about.promise;
    at("version").textContent = `Undertone ${about.version}`;
    document.title = `${about.model} · Undertone`;
    empty();
    bars();
    listen();
    document.documentElement.dataset.ready = "true";
  }

  begin();
})();
