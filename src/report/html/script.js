"use strict";
// Values under the pointer, read from the table beside each chart. Nothing depends on it.
for (const plot of document.querySelectorAll("[data-plot]")) {
  const figure = plot.closest("figure");
  const rows = [...figure.querySelectorAll("tr[data-x]")];
  const svg = plot.querySelector("svg");
  if (!rows.length) continue;
  const heads = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const tip = document.createElement("div");
  const line = document.createElement("div");
  tip.className = "tip";
  line.className = "tip-line";
  tip.hidden = line.hidden = true;
  plot.append(line, tip);
  const hide = () => { tip.hidden = line.hidden = true; };
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const frame = plot.getBoundingClientRect();
    const at = (event.clientX - area.left) / area.width;
    if (at < -0.02 || at > 1.02) return hide();
    const distance = (row) => Math.abs(row.dataset.x - at);
    const row = rows.reduce((best, other) => (distance(other) < distance(best) ? other : best));
    tip.replaceChildren(...[...row.children].map((cell, index) => {
      const part = document.createElement("p");
      part.textContent = `${heads[index]}: ${cell.textContent}`;
      return part;
    }));
    tip.hidden = line.hidden = false;
    const x = area.left - frame.left + row.dataset.x * area.width;
    line.style.left = `${x}px`;
    line.style.height = `${area.height}px`;
    line.style.top = `${area.top - frame.top}px`;
    const wide = tip.offsetWidth;
    tip.style.left = `${Math.max(0, x + wide + 12 > frame.width ? x - wide - 12 : x + 12)}px`;
    tip.style.top = `${area.top - frame.top + 8}px`;
  });
}
