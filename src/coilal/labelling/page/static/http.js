// Talks to the server. An answer is kept in the tab until the server has said that it is on the disk.

const OUTBOX = "coilal.outbox";
const AGAIN_MS = 1000;

export class Refused extends Error {}

async function read(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const words = body.error || `The server answers with ${response.status}.`;
  // What the server refuses for good is told; a full disk, a lost token or a fault of the server may pass.
  throw response.status >= 500 || response.status === 403 ? new Error(words) : new Refused(words);
}

export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return read(await fetch(text ? `${path}?${text}` : path, { cache: "no-store" }));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return read(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export function waiting() {
  const text = sessionStorage.getItem(OUTBOX);
  return text ? JSON.parse(text) : null;
}

// Sends an answer until the server takes it; onTrouble is called with words at each failure, and with "" at the end.
export async function send(answer, onTrouble) {
  sessionStorage.setItem(OUTBOX, JSON.stringify(answer));
  for (let again = answer.again; ; again = true) {
    try {
      const reply = await post(answer.path, { ...answer.body, again });
      sessionStorage.removeItem(OUTBOX);
      onTrouble("");
      return reply;
    } catch (error) {
      if (error instanceof Refused) {
        sessionStorage.removeItem(OUTBOX);
        onTrouble("");
        throw error;
      }
      onTrouble(error instanceof TypeError ? "The server does not answer." : error.message);
      sessionStorage.setItem(OUTBOX, JSON.stringify({ ...answer, again: true }));
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}
