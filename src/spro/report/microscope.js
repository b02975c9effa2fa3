// Without this script the page is complete; it adds tooltips, linked tokens, other terms and one scale for all methods.
(() => {
  const MINUS = "\u2212";
  const credit = document.getElementById("credit");
  if (!credit) return;

  // --- numbers ------------------------------------------------------------------------------------------------------
  const numbers = (text) => text.split(" ").map(Number.parseFloat);
  const own = credit.dataset.own.split(";").map(numbers);
  const common = numbers(credit.dataset.common);
  const quantity = document.getElementById("quantity");
  const shared = document.getElementById("common");
  const names = [...quantity.options].map((option) => option.textContent);
  const signed = (value) => (value > 0 ? "+" : "") + String(value).replace("-", MINUS);

  function listed(strip, key) {
    return key in strip.dataset ? numbers(strip.dataset[key]) : null;
  }

  // --- tooltip ------------------------------------------------------------------------------------------------------
  function ofMethod(strip, index) {
    const total = listed(strip, "q0")[index];
    const parts = names.slice(1).flatMap((name, at) => {
      const values = listed(strip, `q${at + 1}`);
      return values ? [`${name} ${signed(values[index])}`] : [];
    });
    const made = parts.length > 1 ? ` = ${parts.join(", ")}` : "";
    return `${strip.dataset.name} ${Number.isFinite(total) ? signed(total) : "\u2013"}${made}`;
  }

  function ofTruth(strip, index) {
    const value = listed(strip, "q0")[index], errors = listed(strip, "errors");
    if (!Number.isFinite(value)) return `${strip.dataset.name} \u2013`;
    return `${strip.dataset.name} ${signed(value)}${errors ? ` \u00b1 ${errors[index]}` : ""}`;
  }

  function describe(band, index) {
    const strips = [...band.children].filter((strip) => strip.offsetParent !== null);
    const text = tokensOf(band.firstElementChild)[index].textContent;
    const old = listed(band, "old")[index], ref = listed(band, "ref")[index];
    return [
      `token ${band.dataset.n.split(" ")[index]} of ${band.dataset.of}  ${text}`,
      ...strips.map((strip) => ("m" in strip.dataset ? ofMethod : ofTruth)(strip, index)),
      `log-prob ${signed(old)}, reference ${signed(ref)}`,
    ].join("\n");
  }

  // --- linked tokens ------------------------------------------------------------------------------------------------
  const tokensOf = (strip) => strip.lastElementChild.children;

  function leave() {
    tip.hide();
    for (const token of credit.querySelectorAll(".t.on")) token.classList.remove("on");
  }

  function select(token, x, y) {
    leave();
    const band = token.closest(".staff");
    const index = [...tokensOf(token.closest(".strip"))].indexOf(token);
    for (const strip of band.children) tokensOf(strip)[index].classList.add("on");
    const box = token.getBoundingClientRect();
    tip.show(describe(band, index), x ?? box.right, y ?? box.top);
  }

  tip.leaveBy(leave);

  function move(token, key) {
    const stave = token.closest(".stave"), band = token.closest(".staff");
    const strips = [...band.children].filter((strip) => strip.offsetParent !== null);
    const row = strips.indexOf(token.closest(".strip")), column = [...tokensOf(strips[row])].indexOf(token);
    if (key === "ArrowUp" || key === "ArrowDown") {
      const strip = strips[row + (key === "ArrowUp" ? -1 : 1)];
      return strip && tokensOf(strip)[column];
    }
    const every = [...stave.children].flatMap((one) => {
      const shown = [...one.children].filter((strip) => strip.offsetParent !== null);
      return [...tokensOf(shown[row])];
    });
    const at = every.indexOf(token);
    return every[{ ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: every.length - 1 }[key]];
  }

  for (const stave of credit.querySelectorAll(".stave")) {
    let entry = stave.querySelector(".t.mark") ?? stave.querySelector(".t");
    entry.tabIndex = 0;
    stave.addEventListener("pointerover", (event) => {
      const token = event.target.closest(".t");
      if (token) select(token, event.clientX, event.clientY); else leave();
    });
    stave.addEventListener("pointerleave", leave);
    stave.addEventListener("focusin", (event) => { if (event.target.matches(".t")) select(event.target); });
    stave.addEventListener("focusout", leave);
    stave.addEventListener("keydown", (event) => {
      if (!event.target.matches(".t")) return;
      const to = move(event.target, event.key);
      if (!to) return;
      event.preventDefault();
      entry.tabIndex = -1;
      entry = to;
      entry.tabIndex = 0;
      entry.focus();
    });
    // A strip that is hidden takes the way in with it.
    document.addEventListener("change", () => {
      if (entry.offsetParent !== null) return;
      const shown = [...stave.querySelectorAll(".t")].find((token) => token.offsetParent !== null);
      if (!shown) return;
      entry.tabIndex = -1;
      entry = shown;
      entry.tabIndex = 0;
    });
  }

  // --- colours ------------------------------------------------------------------------------------------------------
  function recolour() {
    const chosen = quantity.selectedIndex;
    for (const strip of credit.querySelectorAll(".strip[data-m]")) {
      const scale = shared.checked ? common[chosen] : own[Number(strip.dataset.m)][chosen];
      const values = listed(strip, `q${chosen}`);
      [...tokensOf(strip)].forEach((token, index) => {
        const kept = ["mark", "tool", "on"].filter((name) => token.classList.contains(name));
        token.className = ["t", values ? tip.levelClass(values[index], scale) : "absent", ...kept].join(" ");
      });
    }
    [...credit.querySelectorAll(".at")].forEach((label, method) => {
      const scale = shared.checked ? common[chosen] : own[method][chosen];
      label.textContent = scale ? `\u00b1${scale}` : "no such term";
    });
    document.getElementById("scale-note").textContent = shared.checked
      ? "all methods on one scale, the number beside their names"
      : "each method on its own scale, the number beside its name";
  }
  quantity.addEventListener("change", recolour);
  shared.addEventListener("change", recolour);
  credit.querySelector(".scripted").hidden = false;
  // A reload keeps the choice but not the colours.
  if (quantity.selectedIndex > 0 || shared.checked) recolour();
})();
