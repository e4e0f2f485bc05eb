// The labelling page: keys and buttons, what is shown, what is told. See app.py for the routes.

import { askClass } from "./add_class.js";
import { get, post, send, waiting } from "./http.js";
import { listen } from "./keys.js";
import { afterPaint } from "./painted.js";
import * as person from "./person.js";
import { Pictures } from "./pictures.js";
import { showCount, showMoment, showProgress, showStage, words } from "./progress.js";
import { Strip } from "./strip.js";
import { Viewer } from "./viewer.js";

const setup = JSON.parse(document.body.dataset.setup);
const severalLabels = setup.kind === "multilabel";
const element = (id) => document.getElementById(id);
const LOOK_MS = 300; // while nothing waits
const PROGRESS_MS = 3000;
const HEARD_MS = 45000; // the desk gives away what somebody holds who is not heard of

const pictures = new Pictures(setup.version);
const viewer = new Viewer(element("viewer"), element("zoom-level"));
const strip = new Strip(element("views"), element("some-views"), pictures, open);

let classes = setup.classes;
let shown = null; // what the desk said of the image on the screen
let live = null; // number of the image that this tab is asked for
let ahead = [];
let seen = []; // numbers, for back and forth
let chosen = new Set();
let isBusy = true; // nothing is told before an image is on the screen, and only one thing at a time
let isPart = false;
let showsGuess = setup.showsGuess;
let sawGuess = false;
let isContrast = false;
let isModelView = false;
let since = 0;
let hiddenSince = null;
let looks = null;
let undoing = null; // number of the image that undo has shown
const reopened = []; // numbers of those that undo has shown before it, not answered yet
let wanted = 0; // counts what is to be shown, so that a late image does not replace a later one

// ---- what is on the screen

function bestOf(entry) {
  return entry.isFull && !isModelView ? entry.full : entry.isSmall ? entry.small : null;
}

// Puts an image on the screen as soon as it is decoded, which it is if it was loaded beforehand.
async function put(number) {
  const turn = ++wanted;
  const entry = pictures.load(number);
  if (!bestOf(entry)) {
    viewer.put(null);
    await Promise.race([entry.smallDone, entry.fullDone]);
    if (!bestOf(entry)) await Promise.all([entry.smallDone, entry.fullDone]);
    if (turn !== wanted) return false;
  }
  const image = bestOf(entry);
  viewer.put(image);
  if (!image) say("This image cannot be shown: its file may be damaged. Skip it, or look at it elsewhere.");
  entry.fullDone.then(() => {
    if (turn !== wanted || viewer.image === bestOf(entry)) return;
    viewer.put(bestOf(entry), true);
    describeImage();
  });
  if (isContrast) spread(entry);
  return true;
}

// The grey levels are those of the small image, which may still be on its way.
function spread(entry) {
  const turn = wanted;
  entry.smallDone.then(() => turn === wanted && isContrast && viewer.spread(entry.isSmall ? entry.small : null));
}

async function show(next, { undone = false } = {}) {
  stopLooking();
  shown = next;
  undoing = undone ? next.number : null;
  isBusy = true;
  if (!(await put(next.number))) return;
  since = performance.now();
  hiddenSince = document.hidden ? since : null;
  sawGuess = false;
  chosen = new Set(Array.isArray(next.label) ? next.label : []);
  isPart = false;
  isBusy = false;
  element("moment").hidden = true;
  if (seen.at(-1) !== next.number && !seen.includes(next.number)) seen.push(next.number);
  describe(undone);
  ahead.forEach((number) => pictures.load(number));
}

function describe(undone = false) {
  describeImage();
  showStage(shown);
  if (shown.of) showCount(shown.done, shown.of);
  strip.show(shown);
  describeGuess();
  describeAnswer();
  const told = shown.no_label || (shown.label === null ? "" : words(shown.label));
  const parts = [
    undone ? "Undo: give another answer, or → to go on." : "",
    told ? `Answered: ${told}. Another answer corrects it.` : "",
    isAnswerable() ? "" : "This view is not asked for. P answers for the whole part.",
  ];
  say(parts.filter(Boolean).join(" ") || `${shown.name}, ${shown.place} of ${shown.of}`);
}

function describeImage() {
  const view = shown.views.indexOf(shown.number) + 1;
  const place = shown.views.length > 1 ? `${shown.group}, view ${view} of ${shown.views.length}` : shown.group;
  if (viewer.image) viewer.image.alt = `${shown.name}, ${place}`;
  element("image-name").textContent = shown.name;
  element("image-place").textContent = place;
}

function describeGuess() {
  const measures = shown.stage !== "batch";
  const text = element("guess");
  text.className = "quiet";
  if (measures) text.textContent = "No guess is shown on images that measure.";
  else if (!shown.guess) text.textContent = "The model has no guess yet.";
  else if (!showsGuess) text.textContent = "The model’s guess is hidden.";
  else {
    const percent = Math.round(100 * shown.guess.confidence);
    text.className = "";
    text.textContent = `Model: ${words(shown.guess.label)}, ${percent} %`;
    sawGuess = true;
  }
  press("guess-switch", showsGuess);
}

function isAnswerable() {
  return shown !== null && (shown.asked_views.includes(shown.number) || shown.label !== null || shown.no_label !== null);
}

function describeAnswer() {
  const can = !isBusy && (isPart || isAnswerable());
  for (const button of element("classes").children) {
    const name = button.dataset.name;
    const isOn = severalLabels ? chosen.has(name) : shown !== null && shown.label === name;
    button.setAttribute("aria-pressed", String(isOn));
    disable(button, !can);
  }
  disable(element("tell"), !can);
  for (const id of ["unsure", "skip"]) disable(element(id), isPart || isBusy || !isAnswerable());
  const told = words(classes.filter((name) => chosen.has(name)));
  element("tell-text").textContent = told === "none" ? "Tell: none of them" : `Tell: ${told}`;
  disable(element("part"), isBusy || shown === null);
  press("part", isPart);
  document.body.classList.toggle("whole-part", isPart);
  const at = shown ? seen.indexOf(shown.number) : seen.length;
  disable(element("back"), (isBusy && shown !== null) || at <= 0);
  disable(element("forth"), shown === null || (at >= seen.length - 1 && shown.number === live));
  const view = shown ? shown.views.indexOf(shown.number) : -1;
  disable(element("view-before"), view <= 0);
  disable(element("view-after"), shown === null || view >= shown.views.length - 1);
}

// A button that is truly disabled would lose the focus of who works with Tab.
function disable(button, isOff) {
  button.setAttribute("aria-disabled", String(isOff));
}

function drawClasses(names) {
  classes = names;
  const buttons = names.map((name, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.name = name;
    const text = document.createElement("span");
    text.textContent = name;
    button.append(text);
    if (place < 9) {
      const key = document.createElement("kbd");
      key.textContent = place + 1;
      key.setAttribute("aria-hidden", "true");
      button.prepend(key);
      button.setAttribute("aria-keyshortcuts", String(place + 1));
    }
    button.addEventListener("click", (event) => choose(name, event));
    return button;
  });
  element("classes").replaceChildren(...buttons);
  element("classes").classList.toggle("many", names.length > 5);
  describeAnswer();
}

function say(text) {
  element("said").textContent = text;
}

function press(id, isOn) {
  element(id).setAttribute("aria-pressed", String(isOn));
}

// ---- answers

function choose(name, event) {
  if (isBusy || !(isPart || isAnswerable())) return;
  if (!severalLabels) {
    tell({ label: name }, event);
    return;
  }
  if (!chosen.delete(name)) chosen.add(name);
  describeAnswer();
}

function tellChosen(event) {
  if (!severalLabels || isBusy || !(isPart || isAnswerable())) return;
  tell({ label: classes.filter((name) => chosen.has(name)) }, event);
}

function tellWithout(kind, event) {
  if (isBusy || !isAnswerable()) return;
  if (isPart) say("A whole part needs a label. P ends it.");
  else tell({ no_label: kind }, event);
}

async function tell(answer, event) {
  const now = performance.now();
  const body = {
    who: person.who(),
    number: shown.number,
    ...answer,
    seconds: Math.max(0, ((hiddenSince ?? now) - since) / 1000),
    saw_guess: sawGuess,
    second_look: shown.stage === "again",
    id: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`,
  };
  const path = isPart ? "/api/part" : "/api/tell";
  await deliver({ path, body, name: shown.name, again: false }, event.timeStamp);
}

async function deliver(answer, pressed = null) {
  isBusy = true;
  describeAnswer();
  const what = answer.body.no_label || words(answer.body.label);
  try {
    const reply = await send(answer, (why) => {
      trouble(why && `${why} The answer «${what}» for ${answer.name} is kept here, and sent again until it is taken.`);
    });
    await follow(reply);
    if (pressed !== null && viewer.image) afterPaint(() => performance.measure("coilal.swap", { start: pressed }));
    const { conflict, told } = reply.receipt;
    if (conflict) say(`${answer.name}: somebody else had told «${conflict}». Both are kept, the first counts; Z shows it.`);
    else if (told > 1) say(`«${what}» was told of ${told} views. ${element("said").textContent}`);
    if (shown) progressSoon();
  } catch (error) {
    isBusy = false;
    describeAnswer();
    trouble(`${answer.name} was not told: ${error.message}`);
  }
}

function trouble(text) {
  element("trouble").textContent = text;
  element("trouble").hidden = !text;
}

async function follow(reply) {
  ahead = reply.ahead;
  live = reply.shown ? reply.shown.number : null;
  const left = reopened.pop();
  if (left !== undefined && (await showUndone(left))) return; // of several that were undone, this one is not answered
  if (reply.shown) await show(reply.shown);
  else pause();
}

async function showUndone(number) {
  const reply = await attempt(() => get(`/api/show/${number}`, { who: person.who() }));
  if (reply) await show(reply.shown, { undone: true });
  return reply !== null;
}

async function undo() {
  if (isBusy && shown) return;
  const reply = await attempt(() => post("/api/undo", { who: person.who() }));
  if (!reply) return;
  if (reply.shown) {
    if (shown && shown.number === undoing) reopened.push(undoing);
    await show(reply.shown, { undone: true });
  } else say("Nothing was answered in this tab that could be undone.");
}

// ---- back and forth

async function open(number) {
  if (isBusy && shown) return;
  const reply = await attempt(() => get(`/api/show/${number}`, { who: person.who() }));
  if (reply) await show(reply.shown);
}

function step(by) {
  const at = shown ? seen.indexOf(shown.number) : seen.length;
  if (by < 0) return at > 0 ? open(seen[at - 1]) : undefined;
  return at < seen.length - 1 ? open(seen[at + 1]) : shown && shown.number !== live ? goOn() : undefined;
}

function stepView(by) {
  const view = shown ? shown.views.indexOf(shown.number) + by : -1;
  if (view >= 0 && view < shown.views.length) open(shown.views[view]);
}

async function goOn() {
  reopened.length = 0;
  const reply = await attempt(() => get("/api/next", { who: person.who() }));
  if (reply) await follow(reply);
}

async function attempt(ask) {
  try {
    const reply = await ask();
    trouble("");
    return reply;
  } catch (error) {
    trouble(error instanceof TypeError ? "The server does not answer: is the command still running?" : error.message);
    return null;
  }
}

// ---- while nothing waits

function pause() {
  shown = null;
  wanted += 1;
  isBusy = true;
  viewer.put(null);
  showStage(null);
  showCount(0, 0);
  element("image-name").textContent = " ";
  element("image-place").textContent = element("guess").textContent = "";
  strip.show(null);
  describeAnswer();
  say("Nothing waits for an answer.");
  element("moment").hidden = false;
  refresh().then((progress) => progress && !shown && showMoment(progress, pictures, open).catch(() => {}));
  looks = setTimeout(look, LOOK_MS);
}

function stopLooking() {
  clearTimeout(looks);
  looks = null;
}

async function look() {
  const reply = await attempt(() => get("/api/next", { who: person.who() }));
  if (looks === null) return; // an image was opened meanwhile
  if (reply && reply.shown) await follow(reply);
  else looks = setTimeout(look, document.hidden ? 10 * LOOK_MS : LOOK_MS);
}

// ---- how far it is

let soon = null;

function progressSoon() {
  clearTimeout(soon);
  soon = setTimeout(refresh, 400);
}

async function refresh() {
  try {
    const progress = await get("/api/progress", { who: person.who() });
    // classes are only ever added: a shorter list was on its way while one was
    if (progress.classes.length > classes.length) drawClasses(progress.classes);
    await showProgress(progress, open);
    if (shown && shown.of) showCount(shown.stage === progress.stage ? progress.done : shown.done, shown.of);
    return progress;
  } catch {
    return null; // said where an answer is not taken
  }
}

// What this tab was asked for may have gone to somebody else while the computer slept.
async function hear() {
  if (!shown || isBusy || document.hidden) return;
  const turn = wanted;
  const reply = await get("/api/next", { who: person.who() }).catch(() => null);
  if (!reply || isBusy || !shown || turn !== wanted) return; // else it may speak of what was answered since
  const wasLive = shown.number === live;
  live = reply.shown ? reply.shown.number : null;
  if (wasLive && shown.number !== live) {
    await follow(reply);
    say(`The image before went to somebody else meanwhile. ${element("said").textContent}`);
  }
}

// ---- switches and dialogs

function toggleGuess() {
  showsGuess = !showsGuess;
  if (shown) describeGuess();
  else press("guess-switch", showsGuess);
}

function toggleContrast() {
  isContrast = !isContrast;
  press("contrast", isContrast);
  if (isContrast && shown) spread(pictures.load(shown.number));
  else viewer.spread(null);
}

async function toggleModelView() {
  isModelView = !isModelView;
  press("model-view", isModelView);
  if (!shown) return;
  const turn = wanted;
  const entry = pictures.load(shown.number);
  if (!bestOf(entry)) await entry.smallDone; // it may still be on its way
  const image = bestOf(entry);
  if (turn !== wanted || !image) return;
  viewer.put(image);
  describeImage();
}

function togglePart() {
  if (!shown || isBusy) return;
  isPart = !isPart;
  describeAnswer();
  const many = shown.views.length;
  const views = many === 1 ? `the only view of ${shown.group}` : `all ${many} views of ${shown.group} that have no label`;
  say(isPart ? `The next answer counts for ${views}. P ends it.` : "One image again.");
}

function addedClass(names) {
  drawClasses(names);
  say(`${names.at(-1)} was added.`);
}

// ---- keys

const ACTIONS = {
  u: ["unsure", (event) => tellWithout("unsure", event)],
  s: ["skip", (event) => tellWithout("skip", event)],
  z: ["undo", undo],
  n: ["add", () => askClass(addedClass)],
  p: ["part", togglePart],
  g: ["guess-switch", toggleGuess],
  c: ["contrast", toggleContrast],
  m: ["model-view", toggleModelView],
  "+": ["zoom-in", () => viewer.zoomIn()],
  "-": ["zoom-out", () => viewer.zoomOut()],
  0: ["zoom-fit", () => viewer.reset()],
  "?": ["keys", () => element("key-list").showModal()],
  enter: ["tell", tellChosen],
  arrowleft: ["back", () => step(-1)],
  arrowright: ["forth", () => step(1)],
  arrowup: ["view-before", () => stepView(-1)],
  arrowdown: ["view-after", () => stepView(1)],
};
async function start() {
  listen(ACTIONS, (place, event) => place < classes.length && choose(classes[place], event), viewer);
  for (const [id, action] of Object.values(ACTIONS)) element(id).addEventListener("click", action);
  element("name").value = person.name();
  element("name").addEventListener("change", (event) => person.rename(event.target.value));
  element("name").addEventListener("keydown", (event) => event.key === "Enter" && event.target.blur());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hiddenSince = performance.now();
    else if (hiddenSince !== null) {
      since += performance.now() - hiddenSince; // time that nobody looked is nobody's work
      hiddenSince = null;
      hear();
    }
  });
  drawClasses(classes);
  press("guess-switch", showsGuess);
  await person.settle();
  const query = new URLSearchParams(location.search);
  element("return-link").href = `/gallery?${query.get("back") || ""}`;
  element("return").hidden = !query.has("show");
  const kept = waiting();
  if (kept) await deliver({ ...kept, again: true });
  if (query.has("show")) await open(query.get("show"));
  if (!shown && looks === null) await goOn();
  refresh();
  setInterval(() => document.hidden || refresh(), PROGRESS_MS);
  setInterval(hear, HEARD_MS);
}

start();
