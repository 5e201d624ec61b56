// What is learned, and how far raters agree: texts, a table, a small curve. Nothing here is markup
// from elsewhere: every text is set as text.

const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3).replace(/^(-?)0\./, "$1.").replace("-", "−"));
// A hyphen before a number is a minus.
const signs = (text) => text.replace(/(^|[\s[(])-(?=[.\d])/g, "$1−");

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

// What stands between backticks as code.
export function withCode(text) {
  return text.split("`").map((part, i) => element(i % 2 ? "code" : "span", part)).filter((one) => one.textContent);
}

const labels = (n) => (n === 1 ? "1 label" : `${n} labels`);

// Counts are of this moment; whatever a fit said stands below the number of labels that it had.
export function showLearning(learning, counts, assumed) {
  const learned = document.getElementById("learned"), stop = document.getElementById("stop");
  const sentences = learning.sentences || [], now = learning.now || [];
  const parts = now.map((text) => element("p", text));
  const doing = {
    listening: "It listens to all recordings; until then clips are drawn at random.",
    learning: `It is learning from the labels so far …`,
    failed: learning.why,
    off: "Nothing learns in this session (--no-learning); clips are drawn at random.",
  }[learning.state];
  if (sentences.length) {
    const since = learning.newer ? `; ${labels(learning.newer)} came since, and it learns again after every five`
      : learning.gone ? `; ${labels(learning.gone)} of these ${learning.gone === 1 ? "was" : "were"} taken back since`
      : learning.behind ? "; some of these were changed since, and it learns again at the end" : "";
    parts.push(element("h3", `As of ${labels(learning.of)}${since}`));
  } else if (!now.length && !doing) parts.push(element("p", "Nothing yet: it learns after every five labels.", "muted"));
  parts.push(...sentences.filter((one) => one.kind !== "stop").map((one) => element("p", signs(one.text))));
  if (doing) parts.push(element("p", doing, "muted"));
  learned.replaceChildren(...parts);
  const may = sentences.find((one) => one.kind === "stop");
  stop.hidden = !may;
  if (may && stop.textContent !== signs(may.text)) stop.textContent = signs(may.text);
  showCounts(learning, counts, assumed);
  showCurve(learning, assumed);
}

function showCounts(learning, counts, assumed) {
  const recalls = (learning.score && learning.score.by_emotion) || {};
  const rows = Object.entries(counts.by_emotion).map(([emotion, mine]) => {
    const row = element("tr");
    const name = element("th", emotion);
    name.scope = "row";
    row.append(name, element("td", String(mine)), element("td", String(counts.all_by_emotion[emotion] || 0)), element("td", estimate(recalls[emotion])));
    return row;
  });
  document.querySelector("#counts tbody").replaceChildren(...rows);
  const dated = learning.score ? `Recall is that of the fit on ${labels(learning.of)}${assumed ? ", if every recording is another person, as you said" : ""}.` : "";
  document.getElementById("counts-note").textContent = dated;
}

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// UAR against the number of labels of the training speakers, with its intervals and chance.
function showCurve(learning, assumed) {
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
    picture.append(svg("line", { x1: left, x2: right, y1: chance, y2: chance, class: "chance" }), svg("text", { x: left + 0.27 * (right - left), y: chance - 5, "text-anchor": "middle" }, "chance"));
  }
  picture.append(svg("polyline", { class: "line", points: points.map((p, i) => `${x(logs[i])},${y(p.value)}`).join(" ") }));
  points.forEach((p, i) => {
    if (p.low !== null) picture.append(svg("line", { x1: x(logs[i]), x2: x(logs[i]), y1: y(p.low), y2: y(p.high), class: "bar" }));
    picture.append(svg("circle", { cx: x(logs[i]), cy: y(p.value), r: 4, class: "dot" }), svg("text", { x: x(logs[i]), y: bottom + 18, "text-anchor": "middle" }, `${p.labels} labels`));
  });
  figure.replaceChildren(picture, element("figcaption", "UAR on speakers that the fit did not know, with a quarter, half and all of the labels; 95 % intervals over speakers." + (assumed ? " Every recording counts as another person, as you said." : "")));
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
