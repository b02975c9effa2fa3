// Follows the run behind a live page: asks for the version, and puts new sections in place of those that changed. Where
// the reader is (scroll, focus, open tables, chosen color) stays as it is.
(() => {
  const PERIOD = 2000;
  const root = () => document.getElementById("live-run");
  const bar = document.createElement("aside");
  bar.id = "live";
  bar.setAttribute("aria-label", "Live");
  const step = document.createElement("span");
  // Spoken when it changes; the age beside it changes all the time and is not.
  step.setAttribute("role", "status");
  const state = document.createElement("span");
  bar.append(step, state);
  document.body.prepend(bar);

  let version = root().dataset.version;
  let sources = null;

  // An element by its place under the nearest ancestor with a name, which the next page has as well.
  function addressOf(element) {
    if (element.id) return { id: element.id };
    const owner = element.parentElement.closest("[id]");
    return { id: owner.id, tag: element.tagName, at: [...owner.querySelectorAll(element.tagName)].indexOf(element) };
  }
  function elementAt({ id, tag, at }) {
    const owner = document.getElementById(id);
    return tag === undefined ? owner : owner?.querySelectorAll(tag)[at];
  }

  function anchorOf() {
    const named = [...root().querySelectorAll("[id]")];
    const below = named.find((element) => element.getBoundingClientRect().bottom > 60 && element.getClientRects().length);
    return below && { address: addressOf(below), top: below.getBoundingClientRect().top };
  }

  function remember() {
    const active = document.activeElement;
    return {
      focus: root().contains(active) ? addressOf(active) : null,
      open: [...root().querySelectorAll("details[open]")].map(addressOf),
      scrolled: [...root().querySelectorAll(".scroll, .tokens, .prompt")]
        .filter((element) => element.scrollTop || element.scrollLeft)
        .map((element) => ({ address: addressOf(element), top: element.scrollTop, left: element.scrollLeft })),
      quantity: document.getElementById("quantity")?.value,
      anchor: scrollY > 0 ? anchorOf() : null,
    };
  }

  function restore(kept) {
    for (const address of kept.open) {
      const details = elementAt(address);
      if (details) details.open = true;
    }
    for (const { address, top, left } of kept.scrolled) elementAt(address)?.scrollTo(left, top);
    const anchored = kept.anchor && elementAt(kept.anchor.address);
    if (anchored) scrollBy(0, anchored.getBoundingClientRect().top - kept.anchor.top);
    const focused = kept.focus && elementAt(kept.focus);
    if (!focused || focused === document.activeElement) return;
    if (focused.matches(".token")) {
      focused.closest(".tokens").querySelector(".token[tabindex='0']").tabIndex = -1;
      focused.tabIndex = 0;
    }
    focused.focus({ preventScroll: true });
  }

  function replace(next) {
    const kept = remember();
    const fresh = [...next.children].map((element) => ({ key: element.id || element.tagName, source: element.outerHTML, element }));
    const present = new Map([...root().children].map((element) => [element.id || element.tagName, element]));
    // A section that stayed the same keeps its elements, and with them a selection or an open list.
    const children = fresh.map(({ key, source, element }) =>
      sources?.get(key) === source && present.has(key) ? present.get(key) : element);
    sources = new Map(fresh.map(({ key, source }) => [key, source]));
    root().dataset.version = next.dataset.version;
    for (const old of present.values()) if (!children.includes(old)) old.remove();
    children.forEach((child, at) => { if (root().children[at] !== child) root().insertBefore(child, root().children[at] ?? null); });
    const choice = document.getElementById("quantity");
    if (choice && [...choice.options].some((option) => option.value === kept.quantity)) choice.value = kept.quantity;
    report.init();
    restore(kept);
  }

  function say(element, text) { if (element.textContent !== text) element.textContent = text; }

  async function follow() {
    try {
      const now = await (await fetch("/version", { cache: "no-store" })).json();
      if (now.version !== version) {
        const text = await (await fetch("/", { cache: "no-store" })).text();
        const next = new DOMParser().parseFromString(text, "text/html");
        replace(next.getElementById("live-run"));
        document.title = next.title;
        version = root().dataset.version;
      }
      say(step, now.step);
      say(state, now.state);
    } catch {
      say(state, "spro watch does not answer; this page stays as it is");
    }
  }

  async function run() {
    // What nobody sees need not be made.
    if (!document.hidden) await follow();
    setTimeout(run, PERIOD);
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
  run();
})();
