// The large image: zoom, drag and contrast.

const STEP = 1.25;
const MOST = 40; // screen pixels for a pixel of the image

export class Viewer {
  constructor(glass, level) {
    this.glass = glass;
    this.level = level;
    this.image = null;
    this.stretch = "";
    this.reset();
    glass.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    glass.addEventListener("pointerdown", (event) => this.grab(event));
    glass.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) glass.addEventListener(end, () => (this.held = null));
    glass.addEventListener("dblclick", (event) => this.toggle(event));
    new ResizeObserver(() => this.apply()).observe(glass);
  }

  put(image, keepsPlace = false) {
    this.image = image;
    if (image) this.glass.replaceChildren(image);
    else this.glass.replaceChildren();
    if (!keepsPlace) this.reset();
    this.apply();
  }

  reset() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.held = null;
    this.apply();
  }

  // Screen pixels for a pixel of the image when all of it is seen.
  get fit() {
    if (!this.image || !this.image.naturalWidth) return 1;
    const { clientWidth: width, clientHeight: height } = this.glass;
    return Math.min(width / this.image.naturalWidth, height / this.image.naturalHeight);
  }

  zoom(factor, x = this.glass.clientWidth / 2, y = this.glass.clientHeight / 2) {
    if (!this.image) return;
    const scale = Math.min(Math.max(1, this.scale * factor), Math.max(1, MOST / this.fit));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.apply();
  }

  zoomIn() {
    this.zoom(STEP * STEP);
  }

  zoomOut() {
    this.zoom(1 / (STEP * STEP));
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.apply();
  }

  wheel(event) {
    event.preventDefault();
    const box = this.glass.getBoundingClientRect();
    this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, event.clientX - box.left, event.clientY - box.top);
  }

  toggle(event) {
    const box = this.glass.getBoundingClientRect();
    if (this.scale > 1) this.reset();
    else this.zoom(Math.max(2, 1 / this.fit), event.clientX - box.left, event.clientY - box.top);
  }

  grab(event) {
    if (this.scale === 1 || event.button !== 0) return;
    this.held = { x: event.clientX, y: event.clientY };
    this.glass.setPointerCapture(event.pointerId);
  }

  drag(event) {
    if (!this.held) return;
    this.move(event.clientX - this.held.x, event.clientY - this.held.y);
    this.held = { x: event.clientX, y: event.clientY };
  }

  apply() {
    const { clientWidth: width, clientHeight: height } = this.glass;
    this.x = Math.min(0, Math.max(width * (1 - this.scale), this.x));
    this.y = Math.min(0, Math.max(height * (1 - this.scale), this.y));
    const isZoomed = this.scale > 1;
    this.glass.classList.toggle("zoomed", isZoomed);
    this.level.textContent = isZoomed ? `${Math.round(100 * this.fit * this.scale)} %` : "fit";
    if (!this.image) return;
    const { style } = this.image;
    style.transform = isZoomed ? `translate(${this.x}px, ${this.y}px) scale(${this.scale})` : "";
    style.imageRendering = isZoomed && this.fit * this.scale >= 1 ? "pixelated" : "";
    style.filter = this.stretch;
  }

  // Spreads the grey levels between the 1st and the 99th of a hundred parts of an image's pixels; null: as they are.
  spread(image) {
    this.stretch = image ? stretched(image) : "";
    this.apply();
  }
}

function stretched(image) {
  const side = 96;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const grey = [];
  for (let at = 0; at < data.length; at += 4) grey.push((data[at] + data[at + 1] + data[at + 2]) / 765);
  grey.sort((a, b) => a - b);
  const low = grey[Math.floor(0.01 * grey.length)];
  const high = grey[Math.ceil(0.99 * grey.length) - 1];
  if (high - low < 0.01) return "";
  // Together these are (value − low) / (high − low).
  return `brightness(${1 / (high + low)}) contrast(${(high + low) / (high - low)})`;
}
