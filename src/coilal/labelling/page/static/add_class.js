// The dialog in which a class is added.

import { Refused, post } from "./http.js";

const element = (id) => document.getElementById(id);
let added = () => {};

// Opens the dialog; whenAdded is called with all names.
export function askClass(whenAdded) {
  added = whenAdded;
  element("add-name").value = "";
  element("add-trouble").hidden = true;
  element("add-dialog").showModal();
}

async function addClass(event) {
  event.preventDefault(); // it stays open where the name is refused
  try {
    const reply = await post("/api/class", { name: element("add-name").value });
    element("add-dialog").close();
    added(reply.classes);
  } catch (error) {
    element("add-trouble").textContent = error instanceof Refused ? error.message : `It was not added: ${error.message}`;
    element("add-trouble").hidden = false;
  }
}

element("add-form").addEventListener("submit", addClass);
element("add-close").addEventListener("click", () => element("add-dialog").close());
