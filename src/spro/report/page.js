// Without this script the page is complete; it adds tooltips, a shared cursor, files of values, and the choice of the
// coloured term. `report.init()` does so once more for a page whose content was replaced.
const report = (() => {
  const SVG = new DOMParser().parseFromString("<svg>", "text/html").querySelector("svg").namespaceURI;
  const prepared = new WeakSet();
  tip.leaveBy(tip.hide);

  // --- charts -------------------------------------------------------------------------------------------------------
  let charts = [];
  // Under the pointer or the focus.
  let current = null;

  function readChart(figure) {
    const number = (name) => Number(figure.dataset[name]);
    const plot = figure.querySelector("svg.plot");
    const heads = [...figure.querySelectorAll("thead th")].slice(1);
    const rows = [...figure.querySelectorAll("tbody tr")].map((row) => ({
      place: Number(row.cells[0].textContent),
      texts: [...row.cells].slice(1).map((cell) => cell.textContent),
    }));
    // The browser's own tooltips would lie over ours; the names stay as labels.
    plot.setAttribute("aria-label", plot.querySelector("title").textContent + ". " + plot.querySelector("desc").textContent);
    plot.removeAttribute("aria-labelledby");
    plot.querySelectorAll("title").forEach((title) => title.remove());
    const cursor = draw("g", { "aria-hidden": "true" });
    plot.append(cursor);
    return {
      figure, plot, heads, rows, cursor, at: rows.length - 1, share: "share" in figure.dataset,
      across: figure.dataset.across, low: number("low"), high: number("high"), first: number("first"),
      last: number("last"), top: number("top"), height: number("height"),
    };
  }

  function nearest(rows, place) {
    let low = 0, high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].place < place) low = middle + 1; else high = middle;
    }
    return low > 0 && place - rows[low - 1].place < rows[low].place - place ? low - 1 : low;
  }

  function draw(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function placeCursor(chart, row) {
    const x = `${100 * (row.place - chart.first) / (chart.last - chart.first)}%`;
    const marks = [draw("line", { x1: x, x2: x, y1: chart.top, y2: chart.top + chart.height, class: "cursor" })];
    row.texts.forEach((text, column) => {
      const look = chart.heads[column].dataset.look;
      if (text === "" || look === undefined) return;
      const y = chart.top + chart.height * (chart.high - Number(text)) / (chart.high - chart.low);
      marks.push(draw("circle", { cx: x, cy: y, r: 4, class: `dot look${look}` }));
    });
    chart.cursor.replaceChildren(...marks);
  }

  function placeText(place) {
    const size = Math.abs(place);
    const text = size !== 0 && (size < 1e-4 || size >= 1e12)
      ? place.toExponential(2).replace(/\.?0*e\+?/, "e")
      : place.toLocaleString("en", Number.isInteger(place) ? {} : { maximumSignificantDigits: 4 });
    return text.replaceAll("-", "\u2212");
  }

  function describe(chart, row) {
    const show = (text) => chart.share
      ? `${(100 * Number(text)).toFixed(1)} %`
      : Number(text).toLocaleString("en", { maximumSignificantDigits: 4 });
    const lines = row.texts.map((text, column) => {
      const shown = text.split(" to ").map(show).join(" to ");
      return text === "" ? null : `${chart.heads[column].textContent}: ${shown}`;
    });
    const [name, unit = ""] = chart.across.split(/,(.*)/s);
    return [`${name} ${placeText(row.place)}${unit}`, ...lines.filter((line) => line !== null)].join("\n");
  }

  function select(chart, index, x, y) {
    chart.at = Math.min(Math.max(index, 0), chart.rows.length - 1);
    current = { chart, x, y };
    const row = chart.rows[chart.at];
    for (const other of charts) {
      if (other === chart) placeCursor(other, row);
      else if (other.across === chart.across) placeCursor(other, other.rows[nearest(other.rows, row.place)]);
    }
    const box = chart.plot.getBoundingClientRect();
    const across = (row.place - chart.first) / (chart.last - chart.first);
    tip.show(describe(chart, row), x ?? box.left + across * box.width, y ?? box.top + chart.top + 60);
  }
  function leave() {
    tip.hide();
    current = null;
    for (const chart of charts) chart.cursor.replaceChildren();
  }

  function follow(chart) {
    const point = (event) => {
      const box = chart.plot.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      select(chart, nearest(chart.rows, chart.first + share * (chart.last - chart.first)), event.clientX, event.clientY);
    };
    chart.plot.addEventListener("pointermove", point);
    chart.plot.addEventListener("pointerdown", point);
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

  // An interval's one cell becomes two columns, which a program can read.
  function csvOf(chart) {
    const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const heads = chart.heads.flatMap((head) => head.dataset.look === undefined
      ? [`${head.textContent} low`, `${head.textContent} high`] : [head.textContent]);
    const lines = chart.rows.map((row) => [String(row.place), ...row.texts.flatMap((text, column) =>
      chart.heads[column].dataset.look !== undefined ? [text] : text === "" ? ["", ""] : text.split(" to "))]);
    return [[chart.across, ...heads], ...lines].map((cells) => cells.map(quote).join(",") + "\n").join("");
  }

  // A file made of what the page holds already: nothing is loaded, so the content policy need not allow a thing.
  function offerFile(chart) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = "Save these values as CSV";
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csvOf(chart)], { type: "text/csv" }));
      link.download = `${chart.figure.id.replace("chart-", "")}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
    chart.figure.querySelector("details").append(button);
  }

  // --- tokens -------------------------------------------------------------------------------------------------------
  function tokenTip(token, x, y) {
    if (token.title) {
      token.dataset.tip = token.title;
      token.removeAttribute("title");
    }
    const box = token.getClientRects()[0];
    tip.show(token.dataset.tip, x ?? box.right, y ?? box.top);
  }

  function followTokens(response) {
    response.addEventListener("pointerover", (event) => {
      const token = event.target.closest(".token");
      if (token) tokenTip(token, event.clientX, event.clientY); else tip.hide();
    });
    response.addEventListener("pointerleave", tip.hide);
    response.addEventListener("focusin", (event) => { if (event.target.matches(".token")) tokenTip(event.target); });
    response.addEventListener("focusout", tip.hide);
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

  function recolour(quantity) {
    for (const group of document.querySelectorAll(".group")) {
      const scale = Number(group.dataset.scales.split(" ")[quantity]);
      group.querySelector(".low").textContent = scale ? `\u2264\u2212${scale}` : "all 0";
      group.querySelector(".high").textContent = scale ? `\u2265+${scale}` : "";
      for (const token of group.querySelectorAll(".token")) {
        token.className = "token " + tip.levelClass(Number.parseFloat(token.dataset.v.split(" ")[quantity]), scale);
      }
    }
  }

  // What was read stays read: only figures that are new get listeners. One in place of another goes on where that was.
  function readCharts() {
    const before = new Map(charts.map((chart) => [chart.figure.id, chart]));
    charts = [...document.querySelectorAll("figure.chart")].map((figure) => {
      const old = before.get(figure.id);
      if (old?.figure === figure) return old;
      const chart = readChart(figure);
      if (old && old.at < old.rows.length - 1) chart.at = nearest(chart.rows, old.rows[old.at].place);
      follow(chart);
      offerFile(chart);
      return chart;
    });
  }

  function once(element, prepare) {
    if (prepared.has(element)) return;
    prepared.add(element);
    prepare(element);
  }

  function init() {
    const { chart: pointed, x, y } = current ?? {};
    leave();
    readCharts();
    const again = pointed && charts.find((chart) => chart.figure.id === pointed.figure.id);
    if (again) select(again, again.at, x, y);
    document.querySelectorAll(".tokens").forEach((response) => once(response, followTokens));
    const choice = document.getElementById("quantity");
    if (!choice) return;
    once(choice, () => choice.addEventListener("change", () => recolour(choice.selectedIndex)));
    choice.closest("label").hidden = false;
    // A reload keeps the choice but not the colours.
    if (choice.selectedIndex > 0) recolour(choice.selectedIndex);
  }

  init();
  return { init };
})();
