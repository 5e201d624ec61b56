// What is learned, and how far raters agree: texts, a table, a small curve. Nothing here is markup
// from elsewhere: every text is set as text.

const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3).replace(/^(-?)0\./, "$1."));

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function estimate(one) {
  if (!one) return "–";
  return one.low === null ? number(one.value) : `${number(one.value)} [${number(one.low)}, ${number(one.high)}]`;
}

export function showLearning(learning, counts) {
  const learned = document.getElementById("learned"), stop = document.getElementById("stop");
  const sentences = learning.sentences || [];
  const parts = sentences.filter((one) => one.kind !== "stop").map((one) => element("p", one.text));
  const doing = {
    listening: "It listens to all recordings; until then clips are drawn at random.",
    learning: `It is learning from the labels so far …`,
    failed: learning.why,
    off: "Nothing learns in this session (--no-learning); clips are drawn at random.",
  }[learning.state];
  if (doing) parts.push(element("p", doing, "muted"));
  if (!sentences.length && !doing) parts.push(element("p", "Nothing yet: label a few clips.", "muted"));
  learned.replaceChildren(...parts);
  const may = sentences.find((one) => one.kind === "stop");
  stop.hidden = !may;
  if (may && stop.textContent !== may.text) stop.textContent = may.text;
  showCounts(learning, counts);
  showCurve(learning);
}

function showCounts(learning, counts) {
  const recalls = (learning.score && learning.score.by_emotion) || {};
  const rows = Object.entries(counts.by_emotion).map(([emotion, mine]) => {
    const row = element("tr");
    const name = element("th", emotion);
    name.scope = "row";
    const all = (learning.by_emotion || {})[emotion];
    row.append(name, element("td", all === undefined ? String(mine) : `${mine} of ${Math.max(all, mine)}`), element("td", estimate(recalls[emotion])));
    return row;
  });
  document.querySelector("#counts tbody").replaceChildren(...rows);
}

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// UAR against the number of labels of the training speakers, with its intervals and chance.
function showCurve(learning) {
  const figure = document.getElementById("curve"), points = learning.curve || [];
  figure.hidden = points.length < 2;
  if (figure.hidden) return;
  const width = Math.max(280, Math.min(640, figure.clientWidth || 600));
  const [left, right, top, bottom] = [40, width - 10, 12, 190];
  const logs = points.map((p) => Math.log2(p.labels)), first = logs[0], last = logs[logs.length - 1];
  const x = (log) => left + 30 + ((log - first) / Math.max(1e-9, last - first)) * (right - left - 60);
  const y = (value) => bottom - Math.max(0, Math.min(1, value)) * (bottom - top);
  const picture = svg("svg", { viewBox: `0 0 ${width} 220`, role: "img", "aria-label": `UAR by number of labels: ${points.map((p) => `${p.labels} labels ${estimate(p)}`).join("; ")}` });
  picture.append(svg("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "axis" }), svg("line", { x1: left, x2: left, y1: top, y2: bottom, class: "axis" }));
  for (const tick of [0, 0.5, 1]) picture.append(svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick === 0 ? "0" : number(tick)));
  if (learning.score) {
    const chance = y(learning.score.chance);
    picture.append(svg("line", { x1: left, x2: right, y1: chance, y2: chance, class: "chance" }), svg("text", { x: right, y: chance - 5, "text-anchor": "end" }, "chance"));
  }
  picture.append(svg("polyline", { class: "line", points: points.map((p, i) => `${x(logs[i])},${y(p.value)}`).join(" ") }));
  points.forEach((p, i) => {
    if (p.low !== null) picture.append(svg("line", { x1: x(logs[i]), x2: x(logs[i]), y1: y(p.low), y2: y(p.high), class: "bar" }));
    picture.append(svg("circle", { cx: x(logs[i]), cy: y(p.value), r: 4, class: "dot" }), svg("text", { x: x(logs[i]), y: bottom + 18, "text-anchor": "middle" }, `${p.labels} labels`));
  });
  figure.replaceChildren(picture, element("figcaption", "UAR on speakers that the fit did not know, with a quarter, half and all of the labels; 95 % intervals over speakers."));
}

export function showRaters(raters, rater) {
  const place = document.getElementById("raters"), others = raters.names.filter((name) => name !== rater);
  if (!others.length) return;
  const parts = [element("p", `Labels of ${raters.names.join(", ")}. You do not see what the others heard.`)];
  const found = Object.entries(raters.agreements);
  for (const [what, one] of found) parts.push(element("p", `Krippendorff’s alpha of ${what}: ${estimate(one)}, ${one.units} clips that two or more rated (1 is full agreement, 0 is chance).`));
  if (!found.length) parts.push(element("p", "No clip has two raters yet.", "muted"));
  if (raters.n_disputed) {
    parts.push(element("p", `Disputed clips among those that you have labelled: ${raters.n_disputed}; the most disputed first:`));
    const list = element("ol");
    for (const one of raters.disputed) list.append(element("li", `${one.name} (${one.raters} raters)`));
    parts.push(list);
  }
  place.replaceChildren(...parts);
}
