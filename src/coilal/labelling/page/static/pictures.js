// Images, loaded and decoded before they are wanted.

const KEPT = 16;

export class Pictures {
  constructor(version) {
    this.version = version;
    this.known = new Map();
  }

  small(number) {
    return `/image/${number}?v=${this.version}`;
  }

  // Returns {small, full, isSmall, isFull, smallDone, fullDone} of an image, and begins to load what is not there.
  load(number) {
    const known = this.known.get(number);
    if (known) {
      this.known.delete(number); // the last one used is the last one to go
      this.known.set(number, known);
      return known;
    }
    const entry = { isSmall: false, isFull: false };
    entry.small = element(this.small(number));
    entry.full = element(`/full/${number}?v=${this.version}`);
    entry.smallDone = entry.small.decode().then(() => (entry.isSmall = true), () => false);
    entry.fullDone = entry.full.decode().then(() => (entry.isFull = true), () => false);
    this.known.set(number, entry);
    if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
    // A file that could not be had, for a server that had gone, is asked for again the next time.
    Promise.all([entry.smallDone, entry.fullDone]).then(([small]) => small || this.known.delete(number));
    return entry;
  }
}

function element(address) {
  const image = new Image();
  image.draggable = false;
  image.decoding = "sync";
  image.src = address;
  return image;
}
