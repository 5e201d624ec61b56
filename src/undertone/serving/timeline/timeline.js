// A timeline: the page holds the numbers, ``ribbons`` draws them, this follows the player.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const audio = document.getElementById("audio");
  const said = document.getElementById("said");
  const clock = document.getElementById("clock");
  const shortest_s = Math.min(5, data.lasts);
  let width_s = Math.min(60, data.lasts); // of the close view
  let isBegun = false; // before it is, the whole recording is told of
  let from_s = 0;
  let place_s = 0;

  const views = [...document.querySelectorAll(".track")].map(section => ({
    track: data.tracks[Number(section.dataset.track)],
    whole: section.querySelector(".whole"),
    close: section.querySelector(".close"),
  }));

  function draw() {
    const longest = Math.max(0, data.lasts - width_s);
    if (place_s < from_s || place_s > from_s + 0.9 * width_s) from_s = place_s - 0.1 * width_s;
    from_s = Math.min(longest, Math.max(0, from_s));
    const box = width_s < data.lasts ? [from_s, from_s + width_s] : null;
    for (const { track, whole, close } of views) {
      ribbons.drawWhole(whole, data, track, { from: 0, to: data.lasts, place: place_s, box });
      ribbons.drawClose(close, data, track, { from: from_s, to: from_s + width_s, place: place_s });
    }
    clock.textContent = `${ribbons.time(place_s)} of ${ribbons.time(data.lasts)}`;
    const here = views.map(view => ribbons.spoken(data, view.track, place_s)).join(" · ");
    const text = isBegun ? here : data.whole.text;
    if (said.textContent !== text) said.textContent = text;
  }

  function go(s) {
    isBegun = true;
    place_s = Math.min(data.lasts, Math.max(0, s));
    if (audio.readyState) audio.currentTime = place_s;
    draw();
  }

  const changes = [...new Set(data.tracks.flatMap(track => track.spells.map(spell => spell[0])))];
  changes.sort((a, b) => a - b);
  const zoom = factor => {
    width_s = Math.min(data.lasts, Math.max(shortest_s, width_s * factor));
    from_s = place_s - width_s / 2;
    draw();
  };
  const deeds = {
    previous: () => go(changes.filter(s => s < place_s - 0.5).pop() ?? 0),
    next: () => go(changes.find(s => s > place_s + 0.05) ?? data.lasts),
    nearer: () => zoom(0.5),
    farther: () => zoom(2),
    play: () => (audio.paused ? audio.play() : audio.pause()),
    back: () => go(place_s - 5),
    on: () => go(place_s + 5),
  };
  const keys = {
    "[": "previous", "]": "next", "+": "nearer", "=": "nearer", "-": "farther",
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
      isBegun = true;
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
