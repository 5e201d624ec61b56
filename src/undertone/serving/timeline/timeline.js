"use strict";
// Ribbons of a timeline: the page holds the numbers, this draws them and follows the player.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const audio = document.getElementById("audio");
  const said = document.getElementById("said");
  const clock = document.getElementById("clock");
  const SHORTEST_S = 10;
  const LANE = 34; // pixels
  let width_s = Math.min(60, Math.max(SHORTEST_S, data.lasts)); // of the close view
  let from_s = 0;
  let place_s = 0;

  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = k => style(`--series-${k % 8}`);
  const time = s => {
    const whole = Math.max(0, Math.floor(s + 1e-6));
    const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const kept = parts[0] ? parts : parts.slice(1);
    return kept.map((n, i) => (i ? String(n).padStart(2, "0") : n)).join(":");
  };
  const share = (value, k) => (value - data.low[k]) / (data.high[k] - data.low[k]);
  const likeliest = values => values.indexOf(Math.max(...values));
  // What a value is worth above chance, 0 to 1: the thickness of the ribbon of the likeliest.
  const sure = values => {
    const chance = 1 / values.length;
    return Math.max(0.06, (Math.max(...values) - chance) / (1 - chance));
  };
  const stepAt = (track, s) => track.steps.find(step => step[0] <= s && s < step[1]);

  function prepared(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    if (height) canvas.style.height = `${height}px`;
    height = height || canvas.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    return { pen, width, height };
  }

  function silence(pen, track, x, top, bottom, from, to) {
    pen.strokeStyle = style("--faint");
    pen.lineWidth = 1;
    let at = from;
    const gaps = [];
    for (const [start, end] of track.stretches) {
      if (start > at) gaps.push([at, Math.min(start, to)]);
      at = Math.max(at, end);
    }
    if (at < to) gaps.push([at, to]);
    for (const [a, b] of gaps) {
      const left = x(a);
      const right = x(b);
      if (right <= left) continue;
      pen.save();
      pen.beginPath();
      pen.rect(left, top, right - left, bottom - top);
      pen.clip();
      pen.beginPath();
      for (let i = left - (bottom - top); i < right; i += 7) {
        pen.moveTo(i, bottom);
        pen.lineTo(i + bottom - top, top);
      }
      pen.stroke();
      pen.restore();
    }
  }

  function axis(pen, x, y, from, to, width) {
    const wanted = Math.max(2, Math.floor(width / 90));
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    const every = steps.find(s => (to - from) / s <= wanted) || 14400;
    pen.fillStyle = style("--muted");
    pen.textAlign = "center";
    for (let s = Math.ceil(from / every) * every; s <= to; s += every) {
      pen.fillText(time(s), Math.min(width - 16, Math.max(16, x(s))), y);
    }
  }

  function cursor(pen, x, top, bottom) {
    pen.strokeStyle = style("--ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x(place_s), top);
    pen.lineTo(x(place_s), bottom);
    pen.stroke();
  }

  function drawWhole(canvas, track) {
    const { pen, width, height } = prepared(canvas);
    const x = s => (s / data.lasts) * width;
    const bottom = height - 18;
    silence(pen, track, x, 0, bottom, 0, data.lasts);
    for (const [start, end, ...values] of track.steps) {
      if (values[0] === null) continue;
      const k = data.chooses ? likeliest(values) : 0;
      const thick = (data.chooses ? sure(values) : share(values[0], 0)) * bottom;
      pen.fillStyle = colour(k);
      pen.fillRect(x(start), (bottom - thick) / 2, Math.max(1, x(end) - x(start) + 0.3), thick);
    }
    names(pen, track, x, bottom);
    pen.strokeStyle = style("--accent");
    pen.lineWidth = 1.5;
    if (width_s < data.lasts) pen.strokeRect(x(from_s), 1, (width_s / data.lasts) * width, bottom - 2);
    cursor(pen, x, 0, bottom);
    axis(pen, x, height - 4, 0, data.lasts, width);
  }

  // The emotion is written on its spell, so that no colour is needed to read it.
  function names(pen, track, x, bottom) {
    pen.textAlign = "left";
    for (const [start, end, name] of track.spells) {
      const room = x(end) - x(start);
      const text = pen.measureText(name).width + 6 <= room ? name : name.slice(0, 3) + ".";
      if (pen.measureText(text).width + 4 > room) continue;
      pen.lineWidth = 3;
      pen.strokeStyle = style("--paper");
      pen.strokeText(text, x(start) + 3, bottom / 2 + 4);
      pen.fillStyle = style("--ink");
      pen.fillText(text, x(start) + 3, bottom / 2 + 4);
    }
  }

  function drawClose(canvas, track) {
    const n = data.outputs.length;
    const { pen, width } = prepared(canvas, n * LANE + 20);
    const to_s = from_s + width_s;
    const x = s => ((s - from_s) / width_s) * width;
    silence(pen, track, x, 0, n * LANE, from_s, to_s);
    for (let k = 0; k < n; k++) {
      const middle = k * LANE + LANE / 2 + 5;
      pen.fillStyle = colour(k);
      for (const [start, end, ...values] of track.steps) {
        if (end < from_s || start > to_s || values[0] === null) continue;
        const thick = Math.max(1, share(values[k], k) * (LANE - 12));
        pen.fillRect(x(start), middle - thick / 2, x(end) - x(start) + 0.3, thick);
      }
      pen.textAlign = "left";
      pen.lineWidth = 3;
      pen.strokeStyle = style("--paper");
      pen.strokeText(data.outputs[k], 4, k * LANE + 11);
      pen.fillStyle = style("--ink");
      pen.fillText(data.outputs[k], 4, k * LANE + 11);
      pen.strokeStyle = style("--faint");
      pen.lineWidth = 1;
      pen.strokeRect(0, k * LANE + 0.5, width, 0);
    }
    cursor(pen, x, 0, n * LANE);
    axis(pen, x, n * LANE + 15, from_s, to_s, width);
  }

  const views = [...document.querySelectorAll(".track")].map(section => ({
    track: data.tracks[Number(section.dataset.track)],
    whole: section.querySelector(".whole"),
    close: section.querySelector(".close"),
  }));

  function draw() {
    const longest = Math.max(0, data.lasts - width_s);
    if (place_s < from_s || place_s > from_s + 0.9 * width_s) from_s = place_s - 0.1 * width_s;
    from_s = Math.min(longest, Math.max(0, from_s));
    for (const view of views) {
      drawWhole(view.whole, view.track);
      drawClose(view.close, view.track);
    }
    clock.textContent = `${time(place_s)} of ${time(data.lasts)}`;
    const text = views.map(view => spoken(view.track)).join(" · ");
    if (said.textContent !== text) said.textContent = text;
  }

  function spoken(track) {
    const step = stepAt(track, place_s);
    if (!step || step[2] === null) return "no speech";
    const values = step.slice(2);
    if (!data.chooses) return data.outputs.map((o, k) => `${o} ${values[k].toFixed(2)}`).join(", ");
    const k = likeliest(values);
    return `${data.outputs[k]} ${values[k].toFixed(2)}`;
  }

  function go(s) {
    place_s = Math.min(data.lasts, Math.max(0, s));
    if (audio.readyState) audio.currentTime = place_s;
    draw();
  }

  const changes = [...new Set(data.tracks.flatMap(track => track.spells.map(spell => spell[0])))];
  changes.sort((a, b) => a - b);
  const zoom = factor => {
    width_s = Math.min(Math.max(SHORTEST_S, data.lasts), Math.max(SHORTEST_S, width_s * factor));
    from_s = place_s - width_s / 2;
    draw();
  };
  const deeds = {
    previous: () => go(changes.filter(s => s < place_s - 0.5).pop() ?? 0),
    next: () => go(changes.find(s => s > place_s + 0.05) ?? data.lasts),
    closer: () => zoom(0.5),
    wider: () => zoom(2),
    play: () => (audio.paused ? audio.play() : audio.pause()),
    back: () => go(place_s - 5),
    on: () => go(place_s + 5),
  };
  const keys = {
    "[": "previous", "]": "next", "+": "closer", "=": "closer", "-": "wider",
    " ": "play", ArrowLeft: "back", ArrowRight: "on",
  };

  document.addEventListener("keydown", event => {
    const deed = keys[event.key];
    const typing = ["INPUT", "AUDIO"].includes(event.target.tagName);
    const pressed = event.key === " " && event.target.tagName === "BUTTON";
    if (!deed || typing || pressed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    deeds[deed]();
  });
  document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (button?.dataset.do) deeds[button.dataset.do]();
    if (button?.dataset.to) go(Number(button.dataset.to));
  });
  for (const { whole, close } of views) {
    whole.addEventListener("click", e => go((e.offsetX / whole.clientWidth) * data.lasts));
    close.addEventListener("click", e => go(from_s + (e.offsetX / close.clientWidth) * width_s));
  }
  document.getElementById("open")?.addEventListener("change", event => {
    if (!event.target.files.length) return;
    audio.src = URL.createObjectURL(event.target.files[0]);
    audio.hidden = false;
  });
  const follow = () => {
    if (Math.abs(audio.currentTime - place_s) > 0.02) {
      place_s = audio.currentTime;
      draw();
    }
    if (!audio.paused) requestAnimationFrame(follow);
  };
  for (const name of ["play", "seeked", "timeupdate"]) audio.addEventListener(name, follow);
  for (const [what, name] of [[window, "resize"], [window, "beforeprint"], [window, "afterprint"]]) {
    what.addEventListener(name, draw);
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
