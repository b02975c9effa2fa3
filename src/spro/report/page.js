"use strict";
// Without this script the page is complete; it adds tooltips, a shared cursor, and the choice of the coloured term.
(() => {
  const LEVELS = 7;
  const SVG = document.querySelector("svg")?.namespaceURI;
  const tip = document.getElementById("tip");

  function showTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - box.width - 16 : x + 16;
    const top = y - box.height - 12 < 0 ? y + 22 : y - box.height - 12;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.min(Math.max(4, top), innerHeight - box.height - 4)}px`;
  }
  function hideTip() { tip.hidden = true; }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  // Not "scroll": moving the focus scrolls too, and would close the tip that it has just opened.
  document.addEventListener("wheel", hideTip, { passive: true });
  document.addEventListener("touchmove", hideTip, { passive: true });

  // --- charts -------------------------------------------------------------------------------------------------------
  function readChart(figure) {
    const number = (name) => Number(figure.dataset[name]);
    const plot = figure.querySelector("svg.plot");
    const heads = [...figure.querySelectorAll("thead th")].slice(1);
    const rows = [...figure.querySelectorAll("tbody tr")].map((row) => ({
      step: Number(row.cells[0].textContent),
      texts: [...row.cells].slice(1).map((cell) => cell.textContent),
    }));
    // The browser's own tooltips would lie over ours; the names stay as labels.
    plot.setAttribute("aria-label", plot.querySelector("title").textContent + ". " + plot.querySelector("desc").textContent);
    plot.removeAttribute("aria-labelledby");
    plot.querySelectorAll("title").forEach((title) => title.remove());
    const cursor = document.createElementNS(SVG, "g");
    cursor.setAttribute("aria-hidden", "true");
    plot.append(cursor);
    return {
      plot, heads, rows, cursor, at: rows.length - 1, share: "share" in figure.dataset,
      low: number("low"), high: number("high"), first: number("first"), last: number("last"),
      top: number("top"), height: number("height"),
    };
  }

  function nearest(rows, step) {
    let low = 0, high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].step < step) low = middle + 1; else high = middle;
    }
    return low > 0 && step - rows[low - 1].step < rows[low].step - step ? low - 1 : low;
  }

  function draw(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function placeCursor(chart, row) {
    const x = `${100 * (row.step - chart.first) / (chart.last - chart.first)}%`;
    const marks = [draw("line", { x1: x, x2: x, y1: chart.top, y2: chart.top + chart.height, class: "cursor" })];
    row.texts.forEach((text, column) => {
      const look = chart.heads[column].dataset.look;
      if (text === "" || look === undefined) return;
      const y = chart.top + chart.height * (chart.high - Number(text)) / (chart.high - chart.low);
      marks.push(draw("circle", { cx: x, cy: y, r: 4, class: `dot look${look}` }));
    });
    chart.cursor.replaceChildren(...marks);
  }

  function describe(chart, row) {
    const show = (text) => chart.share
      ? `${(100 * Number(text)).toFixed(1)} %`
      : Number(text).toLocaleString("en", { maximumSignificantDigits: 4 });
    const lines = row.texts.map((text, column) => {
      const shown = text.split(" to ").map(show).join(" to ");
      return text === "" ? null : `${chart.heads[column].textContent}: ${shown}`;
    });
    return [`step ${row.step.toLocaleString("en")}`, ...lines.filter((line) => line !== null)].join("\n");
  }

  const charts = [...document.querySelectorAll("figure.chart")].map(readChart);

  function select(chart, index, x, y) {
    chart.at = Math.min(Math.max(index, 0), chart.rows.length - 1);
    const row = chart.rows[chart.at];
    for (const other of charts) placeCursor(other, other === chart ? row : other.rows[nearest(other.rows, row.step)]);
    const box = chart.plot.getBoundingClientRect();
    const across = (row.step - chart.first) / (chart.last - chart.first);
    showTip(describe(chart, row), x ?? box.left + across * box.width, y ?? box.top + chart.top + 60);
  }
  function leave() {
    hideTip();
    for (const chart of charts) chart.cursor.replaceChildren();
  }

  for (const chart of charts) {
    const follow = (event) => {
      const box = chart.plot.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      select(chart, nearest(chart.rows, chart.first + share * (chart.last - chart.first)), event.clientX, event.clientY);
    };
    chart.plot.addEventListener("pointermove", follow);
    chart.plot.addEventListener("pointerdown", follow);
    chart.plot.addEventListener("pointerleave", leave);
    chart.plot.addEventListener("blur", leave);
    chart.plot.addEventListener("focus", () => { if (chart.plot.matches(":focus-visible")) select(chart, chart.at); });
    chart.plot.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: chart.at - 1, ArrowRight: chart.at + 1, Home: 0, End: chart.rows.length - 1,
        PageUp: chart.at - 10, PageDown: chart.at + 10 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(chart, to);
    });
  }

  // --- tokens -------------------------------------------------------------------------------------------------------
  function tokenTip(token, x, y) {
    if (token.title) {
      token.dataset.tip = token.title;
      token.removeAttribute("title");
    }
    const box = token.getClientRects()[0];
    showTip(token.dataset.tip, x ?? box.right, y ?? box.top);
  }

  for (const response of document.querySelectorAll(".tokens")) {
    response.addEventListener("pointerover", (event) => {
      const token = event.target.closest(".token");
      if (token) tokenTip(token, event.clientX, event.clientY); else hideTip();
    });
    response.addEventListener("pointerleave", hideTip);
    response.addEventListener("focusin", (event) => { if (event.target.matches(".token")) tokenTip(event.target); });
    response.addEventListener("focusout", hideTip);
    response.addEventListener("keydown", (event) => {
      const tokens = [...response.querySelectorAll(".token")];
      const at = tokens.indexOf(event.target);
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tokens.length - 1 }[event.key];
      if (at < 0 || !tokens[to]) return;
      event.preventDefault();
      tokens[at].tabIndex = -1;
      tokens[to].tabIndex = 0;
      tokens[to].focus();
    });
  }

  const choice = document.getElementById("quantity");
  if (!choice) return;

  function levelClass(value, scale) {
    if (!Number.isFinite(value) || scale === 0) return "zero";
    const size = Math.min(LEVELS, Math.floor(Math.abs(value) / scale * LEVELS + 0.5));
    if (size === 0) return "zero";
    return (value > 0 ? "plus" : "minus") + size;
  }

  function recolour() {
    const quantity = choice.selectedIndex;
    for (const group of document.querySelectorAll(".group")) {
      const scale = Number(group.dataset.scales.split(" ")[quantity]);
      group.querySelector(".low").textContent = scale ? `\u2264\u2212${scale}` : "all 0";
      group.querySelector(".high").textContent = scale ? `\u2265+${scale}` : "";
      for (const token of group.querySelectorAll(".token")) {
        token.className = "token " + levelClass(Number.parseFloat(token.dataset.v.split(" ")[quantity]), scale);
      }
    }
  }
  choice.addEventListener("change", recolour);
  choice.closest("label").hidden = false;
  // A reload keeps the choice but not the colours.
  if (choice.selectedIndex > 0) recolour();
})();
