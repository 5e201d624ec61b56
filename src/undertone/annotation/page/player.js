// The sound of a clip: samples read from a WAV file of 16 bits, drawn as waveform and spectrogram.

const HIGHEST_HZ = 5000;
const WINDOW = 512; // samples, 32 ms
const RANGE_DB = 60; // from the loudest to the faintest that is drawn

export function samplesOf(buffer) {
  const view = new DataView(buffer);
  const rate = view.getUint32(24, true);
  let at = 12;
  while (at + 8 <= view.byteLength) {
    const name = String.fromCharCode(...new Uint8Array(buffer, at, 4));
    const size = view.getUint32(at + 4, true);
    if (name === "data") {
      const n = Math.min(size, view.byteLength - at - 8) >> 1;
      const samples = new Float32Array(n);
      for (let i = 0; i < n; i++) samples[i] = view.getInt16(at + 8 + 2 * i, true) / 32768;
      return { samples, rate };
    }
    at += 8 + size + (size & 1);
  }
  throw new Error("the sound holds no samples");
}

// In place, radix 2.
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let size = 2; size <= n; size <<= 1) {
    const angle = (-2 * Math.PI) / size, half = size >> 1;
    for (let k = 0; k < half; k++) {
      const c = Math.cos(angle * k), s = Math.sin(angle * k);
      for (let i = k; i < n; i += size) {
        const r = re[i + half] * c - im[i + half] * s, m = re[i + half] * s + im[i + half] * c;
        re[i + half] = re[i] - r; im[i + half] = im[i] - m;
        re[i] += r; im[i] += m;
      }
    }
  }
}

// Decibels, column by column, of frequencies from 0 to HIGHEST_HZ.
export function spectrogram(samples, rate, columns) {
  const bins = Math.min(WINDOW / 2, Math.round((HIGHEST_HZ * WINDOW) / rate));
  const hann = Float32Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
  const levels = new Float32Array(columns * bins);
  const re = new Float32Array(WINDOW), im = new Float32Array(WINDOW);
  for (let x = 0; x < columns; x++) {
    const first = Math.round(((x + 0.5) / columns) * samples.length - WINDOW / 2);
    for (let i = 0; i < WINDOW; i++) {
      const at = first + i;
      // Each sample less 0.97 of the one before: speech falls off towards high frequencies.
      const here = at > 0 && at < samples.length ? samples[at] - 0.97 * samples[at - 1] : 0;
      re[i] = here * hann[i];
      im[i] = 0;
    }
    fft(re, im);
    for (let k = 0; k < bins; k++) levels[x * bins + k] = 10 * Math.log10(re[k] * re[k] + im[k] * im[k] + 1e-9);
  }
  return { levels, bins };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

export function pictureOf(sound, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const upper = Math.round(height * 0.34);
  drawWaveform(context, sound.samples, width, upper);
  drawSpectrogram(context, sound, width, upper, height);
  return canvas;
}

function drawWaveform(context, samples, width, height) {
  let peak = 1e-4;
  for (const value of samples) peak = Math.max(peak, Math.abs(value));
  context.fillStyle = colour("--accent");
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x / width) * samples.length), to = Math.max(from + 1, Math.floor(((x + 1) / width) * samples.length));
    let low = 0, high = 0;
    for (let i = from; i < to; i++) { low = Math.min(low, samples[i]); high = Math.max(high, samples[i]); }
    const middle = height / 2, scale = (0.92 * middle) / peak;
    context.fillRect(x, middle - high * scale, 1, Math.max(1, (high - low) * scale));
  }
}

function drawSpectrogram(context, sound, width, top, height) {
  const columns = Math.min(width, 1200), rows = height - top;
  const { levels, bins } = spectrogram(sound.samples, sound.rate, columns);
  let loudest = -Infinity;
  for (const level of levels) loudest = Math.max(loudest, level);
  const [r, g, b] = rgb(colour("--ink")), [pr, pg, pb] = rgb(colour("--card"));
  const image = context.createImageData(width, rows);
  for (let y = 0; y < rows; y++) {
    const k = Math.min(bins - 1, Math.floor(((rows - 1 - y) / rows) * bins));
    for (let x = 0; x < width; x++) {
      const level = levels[Math.floor((x / width) * columns) * bins + k];
      const share = Math.max(0, Math.min(1, 1 + (level - loudest) / RANGE_DB)) ** 1.4;
      const at = 4 * (y * width + x);
      image.data[at] = pr + (r - pr) * share;
      image.data[at + 1] = pg + (g - pg) * share;
      image.data[at + 2] = pb + (b - pb) * share;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, top);
}

export class Player {
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.audio = new Audio();
    this.audio.preservesPitch = true;
    this.plays = 0;
    this.sound = null;
    for (const event of ["play", "pause", "ended"]) this.audio.addEventListener(event, () => this.changed());
    canvas.addEventListener("click", (event) => {
      if (!this.sound) return;
      const box = canvas.getBoundingClientRect();
      this.audio.currentTime = ((event.clientX - box.left) / box.width) * this.seconds;
      this.start();
    });
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get seconds() { return this.sound ? this.sound.samples.length / this.sound.rate : 0; }
  get isPlaying() { return !this.audio.paused && !this.audio.ended; }

  show(clip) {
    this.audio.pause();
    this.sound = clip ? clip.sound : null;
    this.plays = 0;
    if (clip) this.audio.src = clip.url; else this.audio.removeAttribute("src");
    this.canvas.setAttribute("aria-label", clip
      ? `Waveform and spectrogram of the clip, ${this.seconds.toFixed(1)} seconds` : "No clip");
    this.redraw();
  }

  async start() {
    if (!this.sound) return true;
    try {
      await this.audio.play();
      this.plays += 1;
      return true;
    } catch (error) {
      return error.name === "AbortError"; // a newer clip came; else the browser waits for a key
    }
  }

  toggle() { if (this.isPlaying) this.audio.pause(); else this.start(); }
  back() { this.audio.currentTime = Math.max(0, this.audio.currentTime - 1); if (!this.isPlaying) this.start(); }
  set loop(on) { this.audio.loop = on; }
  set speed(rate) { this.audio.defaultPlaybackRate = rate; this.audio.playbackRate = rate; }
  get speed() { return this.audio.playbackRate; }

  changed() {
    this.onChange();
    if (this.isPlaying) requestAnimationFrame(() => this.step());
    else this.paint();
  }

  step() {
    this.paint();
    this.onChange();
    if (this.isPlaying) requestAnimationFrame(() => this.step());
  }

  redraw() {
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    this.picture = this.sound ? pictureOf(this.sound, this.canvas.width, this.canvas.height) : null;
    this.paint();
  }

  paint() {
    const context = this.canvas.getContext("2d"), { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    if (!this.picture) return;
    context.drawImage(this.picture, 0, 0);
    const x = this.seconds ? (this.audio.currentTime / this.seconds) * width : 0;
    context.fillStyle = colour("--ink");
    context.fillRect(Math.round(x), 0, Math.max(2, width / 600), height);
  }
}
