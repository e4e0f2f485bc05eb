// How far the session is: the bar at the top, and notes, figures and the curve beside the image.

import { get } from "./http.js";

const element = (id) => document.getElementById(id);
const STAGES = {
  audit: "Audit set: these images only measure",
  batch: "Batch to learn from",
  again: "Asked again: measures how sure the answers are",
};

let drawn = null;

export function showStage(shown) {
  const text = shown ? STAGES[shown.stage] : "Nothing waits";
  element("stage").textContent = text;
  element("stage").className = `chip ${shown ? shown.stage : ""}`;
}

export function showCount(done, of) {
  element("done").max = Math.max(1, of);
  element("done").value = done;
  element("counts").textContent = of ? `${done} / ${of}` : "";
}

export async function showProgress(progress, open) {
  if (progress.stage) showCount(progress.done, progress.of);
  const pace = progress.per_minute === null ? "" : `${progress.per_minute.toFixed(1)} labels a minute`;
  const left = progress.seconds_left === null || !progress.stage ? "" : `${duration(progress.seconds_left)} left`;
  element("pace").textContent = [pace, left].filter(Boolean).join(" · ");
  element("labelled").textContent = progress.labelled;
  element("unsure-count").textContent = progress.unsure;
  element("left").textContent = progress.left;
  element("batch").textContent = progress.batch + 1;
  element("learning").textContent = progress.learning ? `The model is ${progress.learning} …` : "";
  element("metric").textContent = `${capital(progress.metric)} on the audit set`;
  showNotes(progress, open);
  element("advice").replaceChildren(...progress.advice.map((text) => paragraph(text)));
  await showCurve(progress.curve);
}

function showNotes(progress, open) {
  const items = progress.notes.map((text) => line(text));
  if (progress.conflicts.length) {
    const number = progress.conflicts.length;
    const item = line(`${number === 1 ? "One image was" : `${number} images were`} told differently by two people: `);
    progress.conflicts.slice(0, 12).forEach((image) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link";
      button.textContent = `look at ${image}`;
      button.addEventListener("click", () => open(image));
      item.append(button, " ");
    });
    items.push(item);
  }
  const same = items.map((item) => item.textContent).join("\n");
  if (element("note-list").dataset.same !== same) {
    element("note-list").dataset.same = same;
    element("note-list").replaceChildren(...items);
  }
  element("notes").hidden = !items.length;
}

async function showCurve(points) {
  const key = JSON.stringify(points);
  if (key === drawn) return;
  drawn = key;
  if (!points.length) {
    element("curve").replaceChildren(paragraph("The curve begins once the model has learnt from a first batch.", "quiet"));
    return;
  }
  const response = await fetch("/curve", { cache: "no-store" });
  if (!response.ok) {
    drawn = null;
    return;
  }
  const svg = new DOMParser().parseFromString(await response.text(), "image/svg+xml").documentElement;
  element("curve").replaceChildren(document.importNode(svg, true));
}

// While nothing waits: what the model does, and the last answers.
export async function showMoment(progress, pictures, open) {
  const doing = progress.learning || "choosing the next images";
  const [title, text] = progress.finished
    ? ["Every image is labelled", "Nothing is left to ask for. The labels are on the disk; Ctrl-C ends the command."]
    : progress.held
      ? [
          `${progress.held} ${progress.held === 1 ? "image is" : "images are"} open in another window`,
          "One that nobody looks at any more is free after five minutes, and comes here by itself.",
        ]
      : [
          `The model is ${doing} …`,
          "The next image comes by itself. Meanwhile the last answers can be looked at, and corrected.",
        ];
  element("moment-title").textContent = title;
  element("moment-text").textContent = text;
  const { items } = await get("/api/gallery", { most: 24 });
  const shown = items.map((item) => {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    const image = new Image();
    const name = item.no_label || words(item.label);
    button.type = "button";
    button.setAttribute("aria-label", `${item.name}, answered ${name}: look at it again`);
    image.src = pictures.small(item.number);
    image.alt = "";
    button.append(image, span(name));
    button.addEventListener("click", () => open(item.number));
    entry.append(button);
    return entry;
  });
  element("moment-told").hidden = !shown.length;
  element("moment-images").replaceChildren(...shown);
}

export function words(label) {
  return Array.isArray(label) ? label.join(" + ") || "none" : label;
}

function duration(seconds) {
  return seconds < 90 ? `${Math.max(5, 5 * Math.round(seconds / 5))} s` : `${Math.round(seconds / 60)} min`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

function paragraph(text, kind = "") {
  const item = document.createElement("p");
  item.textContent = text;
  item.className = kind;
  return item;
}

function span(text) {
  const item = document.createElement("span");
  item.textContent = text;
  return item;
}
