// All views of the part as a strip of small images.

const AROUND = 40; // views on each side that are drawn; a coil may have a thousand

export class Strip {
  constructor(list, some, pictures, open) {
    this.list = list;
    this.some = some; // says that there are more views than the strip has
    this.pictures = pictures;
    this.open = open;
    this.drawn = "";
    this.here = null; // the item of the image on the screen
    new ResizeObserver(() => this.bring()).observe(list);
  }

  show(shown) {
    const views = shown ? shown.views : [];
    const at = shown ? views.indexOf(shown.number) : 0;
    const first = views.length <= 2 * AROUND ? 0 : Math.max(0, at - AROUND);
    const near = views.slice(first, views.length <= 2 * AROUND ? undefined : at + AROUND + 1);
    if (this.drawn !== near.join()) {
      this.drawn = near.join();
      this.list.replaceChildren(...near.map((view, place) => this.item(view, first + place + 1, views.length)));
    }
    this.some.hidden = near.length === views.length;
    this.some.textContent = `${near.length} of ${views.length} views; ↑ and ↓ show the others`;
    this.here = null;
    for (const item of this.list.children) {
      const view = Number(item.dataset.view);
      const isHere = shown !== null && view === shown.number;
      const isAsked = shown !== null && shown.asked_views.includes(view);
      const button = item.firstChild;
      item.classList.toggle("asked", isAsked);
      if (isHere) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      button.setAttribute("aria-label", `View ${item.dataset.place}${isAsked ? ", waits for an answer" : ""}`);
      if (isHere) this.here = item;
    }
    this.bring();
  }

  item(view, place, of) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const image = new Image();
    item.dataset.view = view;
    item.dataset.place = `${place} of ${of}`;
    button.type = "button";
    image.loading = "lazy";
    image.alt = "";
    image.src = this.pictures.small(view);
    button.append(image);
    button.addEventListener("click", () => this.open(view));
    item.append(button);
    return item;
  }

  // Brings the image on the screen into the middle. It scrolls the strip alone: scrollIntoView would move the page of
  // a narrow window, too.
  bring() {
    const { list, here: item } = this;
    if (item === null) return;
    list.scrollTop = item.offsetTop - (list.clientHeight - item.offsetHeight) / 2;
    list.scrollLeft = item.offsetLeft - (list.clientWidth - item.offsetWidth) / 2;
  }
}
