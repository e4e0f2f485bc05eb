// Who labels: a name that the browser keeps, and what tells this tab from others.

const NAME = "coilal.name";
const TAB = "coilal.tab";

let tab = sessionStorage.getItem(TAB);

function another() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  tab = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem(TAB, tab);
}

// A tab that was doubled has the id of the first one: each holds a lock on its own as long as it is open.
export async function settle() {
  if (!tab) another();
  if (!navigator.locks) return; // not over http from another machine
  while (!(await taken())) another();
}

function taken() {
  return new Promise((done) => {
    navigator.locks.request(`coilal.${tab}`, { ifAvailable: true }, (lock) => {
      done(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    });
  });
}

export function who() {
  return `${name()}#${tab}`;
}

export function name() {
  return localStorage.getItem(NAME) || "";
}

export function rename(text) {
  localStorage.setItem(NAME, text.replaceAll("#", "").replace(/\p{C}/gu, "").trim());
}
