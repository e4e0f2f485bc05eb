// Which key does what: the actions are those of label.js.

const SAME = { "=": "+", "−": "-", _: "-" };
const PAN = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };

// Digits that need Shift on some keyboards are digits there without it, too.
function digit(event) {
  if (/^[0-9]$/.test(event.key)) return event.key;
  const place = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
  return place && !event.shiftKey ? place[1] : null;
}

function isNative(event) {
  const { target, key } = event;
  if (document.querySelector("dialog[open]")) return true;
  // The field of a dialog that was just closed keeps the focus until the next frame is drawn.
  if (target.getClientRects().length === 0) return false;
  if (target.matches("input, textarea, select")) return true;
  // Of several labels Enter tells those that are on, and the space bar is what turns one on or off.
  const tells = key === "Enter" && target.closest("#classes") !== null && !document.getElementById("tell").hidden;
  return (key === "Enter" || key === " ") && target.matches("button, a, summary") && !tells;
}

// Calls actions[key][1] for a key, and choose with the place of a class, from 0, for a digit; each with the event.
export function listen(actions, choose, viewer) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isNative(event)) return;
    if (event.target === viewer.glass && viewer.scale > 1 && PAN[event.key]) {
      event.preventDefault();
      viewer.move(...PAN[event.key]);
      return;
    }
    const number = digit(event);
    const key = number ?? (SAME[event.key] || event.key).toLowerCase();
    const isClass = number !== null && number !== "0";
    if (!isClass && !actions[key]) return;
    event.preventDefault();
    const mayRepeat = key === "+" || key === "-";
    if (event.repeat && !mayRepeat) return; // a key that is held down is one answer
    if (isClass) choose(number - 1, event);
    else actions[key][1](event);
  });
}
