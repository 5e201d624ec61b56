"use strict";
// Ribbons of emotions over time, for every page that draws them. ``data`` says what the outputs are
// (outputs, chooses, low, high), ``track`` what was heard (stretches, steps, spells, and doubts:
// speech that is not judged, and why), and ``view`` which seconds are drawn: from, to, place (of the
// player) and perhaps box (a part, framed).
const ribbons = (() => {
  const LANE = 40; // pixels, of which the first hold the name
  const LINE = 17; // pixels of a line of names
  const NAME = 20; // pixels, least room for a name

  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = k => style(`--series-${k % 8}`);
  const time = s => {
    const whole = Math.max(0, Math.floor(s + 1e-6));
    const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const kept = parts[0] ? parts : parts.slice(1);
    return kept.map((n, i) => (i ? String(n).padStart(2, "0") : n)).join(":");
  };
  const share = (data, value, k) => (value - data.low[k]) / (data.high[k] - data.low[k]);
  const likeliest = values => values.indexOf(Math.max(...values));
  // What a value is worth above chance, 0 to 1: the thickness of the ribbon of the likeliest.
  const sure = values => {
    const chance = 1 / values.length;
    return Math.max(0.06, (Math.max(...values) - chance) / (1 - chance));
  };
  const stepAt = (track, s) => track.steps.find(step => step[0] <= s && s < step[1]);
  const doubtAt = (track, s) => track.doubts.find(doubt => doubt[0] <= s && s < doubt[1])?.[2] ?? "";
  const decimal = value => value.toFixed(2).replace(/^0/, "");

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

  function cursor(pen, x, bottom, place) {
    pen.strokeStyle = style("--ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x(place), 0);
    pen.lineTo(x(place), bottom);
    pen.stroke();
  }

  // Speech of which nothing is said: dots, which are neither a ribbon nor silence.
  function unjudged(pen, track, x, middle) {
    pen.strokeStyle = style("--muted");
    pen.lineWidth = 2;
    pen.setLineDash([2, 4]);
    for (const [start, end] of track.doubts) {
      pen.beginPath();
      pen.moveTo(x(start), middle);
      pen.lineTo(x(end), middle);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  // Of each moment the likeliest emotion, the thicker the more probable.
  function drawWhole(canvas, data, track, view) {
    const { pen, width, height } = prepared(canvas);
    const x = s => ((s - view.from) / (view.to - view.from)) * width;
    const bottom = height - 18;
    const room = bottom - LINE;
    silence(pen, track, x, LINE, bottom, view.from, Math.min(view.to, data.lasts));
    unjudged(pen, track, x, LINE + room / 2);
    for (const [start, end, ...values] of track.steps) {
      if (values[0] === null || end < view.from) continue;
      const k = data.chooses ? likeliest(values) : 0;
      const thick = (data.chooses ? sure(values) : share(data, values[0], 0)) * room;
      pen.fillStyle = colour(k);
      pen.fillRect(x(start), LINE + (room - thick) / 2, Math.max(1, x(end) - x(start) + 0.3), thick);
    }
    names(pen, track.spells, x, name => `${name.slice(0, 3)}.`);
    names(pen, track.doubts, x, () => "");
    pen.strokeStyle = style("--accent");
    pen.lineWidth = 1.5;
    if (view.box) pen.strokeRect(x(view.box[0]), 1, x(view.box[1]) - x(view.box[0]), bottom - 2);
    cursor(pen, x, bottom, view.place);
    axis(pen, x, height - 4, view.from, view.to, width);
  }

  // The emotion, or the doubt, is written above its stretch: no colour is needed to read it.
  function names(pen, named, x, short) {
    pen.textAlign = "left";
    pen.fillStyle = style("--ink");
    for (const [start, end, name] of named) {
      const left = Math.max(0, x(start));
      const room = x(end) - left;
      if (room < NAME) continue;
      const text = pen.measureText(name).width + 6 <= room ? name : short(name);
      if (pen.measureText(text).width + 4 > room) continue;
      pen.fillText(text, left + 1, 12);
    }
  }

  // A ribbon for each output, as wide as it is likely.
  function drawClose(canvas, data, track, view) {
    const n = data.outputs.length;
    const { pen, width } = prepared(canvas, n * LANE + 20);
    const x = s => ((s - view.from) / (view.to - view.from)) * width;
    for (let k = 0; k < n; k++) {
      const [top, bottom] = [k * LANE + LINE, (k + 1) * LANE - 3];
      const middle = (top + bottom) / 2;
      silence(pen, track, x, top, bottom, view.from, Math.min(view.to, data.lasts));
      unjudged(pen, track, x, middle);
      pen.fillStyle = colour(k);
      for (const [start, end, ...values] of track.steps) {
        if (end < view.from || start > view.to || values[0] === null) continue;
        const thick = Math.max(1, share(data, values[k], k) * (bottom - top));
        pen.fillRect(x(start), middle - thick / 2, x(end) - x(start) + 0.3, thick);
      }
      pen.textAlign = "left";
      pen.fillStyle = style("--ink");
      pen.fillText(data.outputs[k], 1, k * LANE + 13);
      pen.strokeStyle = style("--faint");
      pen.lineWidth = 1;
      pen.strokeRect(0, k * LANE + 0.5, width, 0);
    }
    cursor(pen, x, n * LANE, view.place);
    axis(pen, x, n * LANE + 15, view.from, view.to, width);
  }

  function spoken(data, track, s) {
    const step = stepAt(track, s);
    const doubt = doubtAt(track, s);
    if (!step || step[2] === null) return doubt || "no speech";
    const values = step.slice(2);
    if (!data.chooses) return data.outputs.map((o, k) => `${o} ${values[k].toFixed(2)}`).join(", ");
    const k = likeliest(values);
    return `${data.outputs[k]} ${decimal(values[k])}${doubt ? ` (${doubt})` : ""}`;
  }

  return { colour, decimal, doubtAt, drawClose, drawWhole, likeliest, share, spoken, stepAt, time };
})();
