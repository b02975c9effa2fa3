"use strict";
// In front of the script of every page: the tip beside a point, what closes it, and the class of a colour.
const tip = (() => {
  const LEVELS = 7;
  const element = document.getElementById("tip");

  function show(text, x, y) {
    element.textContent = text;
    element.hidden = false;
    const box = element.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - box.width - 16 : x + 16;
    const top = y - box.height - 12 < 0 ? y + 26 : y - box.height - 12;
    element.style.left = `${Math.max(4, left)}px`;
    element.style.top = `${Math.min(Math.max(4, top), innerHeight - box.height - 4)}px`;
  }

  function hide() { element.hidden = true; }

  // Calls `leave` when a reader wants to see what is below, which `hide` is part of.
  function leaveBy(leave) {
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") leave(); });
    // Not "scroll": moving the focus scrolls too, and would close the tip that it has just opened.
    document.addEventListener("wheel", leave, { passive: true });
    document.addEventListener("touchmove", leave, { passive: true });
  }

  function levelClass(value, scale) {
    if (!Number.isFinite(value) || scale === 0) return "zero";
    const size = Math.min(LEVELS, Math.floor(Math.abs(value) / scale * LEVELS + 0.5));
    if (size === 0) return "zero";
    return (value > 0 ? "plus" : "minus") + size;
  }

  return { show, hide, leaveBy, levelClass };
})();
