"use strict";
// Looks at every frame as a reader would: is anything cut off, over another, or not there?
const inside = (frame) => {
  const page = frame.contentDocument;
  const view = frame.contentWindow;
  const width = view.innerWidth;
  const faults = [];
  const say = (what, element) => {
    const text = (element.textContent || element.id || element.tagName).trim().slice(0, 40);
    if (faults.length < 20) faults.push(`${what}: ${element.tagName} ${element.className.baseVal ?? element.className} ${text}`);
  };
  for (const details of page.querySelectorAll("details")) details.open = true;
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && view.getComputedStyle(element).display !== "none";
  };
  if (page.documentElement.scrollWidth > width) faults.push(`it is ${page.documentElement.scrollWidth} wide`);
  for (const element of page.body.querySelectorAll("*")) {
    if (element.closest(".scroll") || element.closest(".skip") || !seen(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.left < -1 || box.right > width + 1) say("over the edge", element);
  }
  const charts = [...page.querySelectorAll("figure.chart svg[role=img]")];
  for (const chart of charts) {
    const box = chart.getBoundingClientRect();
    if (box.width < 150 || box.height < 20) say("too small", chart);
    if (!chart.querySelector("title")?.textContent || !chart.querySelector("desc")?.textContent) say("without words", chart);
    if (!chart.closest("figure").querySelector("details table")) say("without a table", chart);
    for (const line of chart.querySelectorAll("path.line")) {
      const extent = line.getBBox();
      if (extent.width + extent.height === 0 && !line.getAttribute("d").endsWith("h0")) say("no line", line);
    }
    for (const kind of [".x-tick", ".y-tick", ".rule-name", ".band-name"]) {
      const boxes = [...chart.querySelectorAll(kind)].filter(seen).map((text) => [text, text.getBoundingClientRect()]);
      for (const [index, [text, one]] of boxes.entries()) {
        for (const [, other] of boxes.slice(index + 1)) {
          const over = Math.min(one.right, other.right) - Math.max(one.left, other.left);
          const under = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
          if (over > 0.5 && under > 3) say("over another", text);
        }
      }
    }
  }
  let hovered = 0;
  for (const plot of page.querySelectorAll("[data-plot]")) {
    const box = plot.querySelector("svg").getBoundingClientRect();
    const at = { clientX: box.left + box.width / 2, clientY: box.top + 20, bubbles: true };
    plot.dispatchEvent(new view.PointerEvent("pointermove", at));
    const tip = plot.querySelector(".tip");
    if (tip && !tip.hidden && tip.textContent) {
      hovered += 1;
      if (tip.getBoundingClientRect().right > width + 1) say("over the edge", tip);
    }
    plot.dispatchEvent(new view.PointerEvent("pointerleave", at));
    if (tip && !tip.hidden) say("does not go away", tip);
  }
  const sections = [...page.querySelectorAll("main > section")];
  for (const [index, section] of sections.entries()) {
    const head = section.querySelector("h2");
    if (!head || !seen(head)) say("without a heading", section);
    if (section.textContent.trim() === head?.textContent.trim()) say("with nothing in it", section);
    const before = sections[index - 1];
    if (before && section.getBoundingClientRect().top < before.getBoundingClientRect().bottom - 1) say("over another", section);
  }
  const ids = sections.map((section) => section.id);
  const ways = [...page.querySelectorAll("nav a")].map((way) => way.getAttribute("href").slice(1));
  if (ways.join() !== ids.join()) faults.push(`the way through it is ${ways.join()}`);
  const banner = page.querySelector("main > .verdict");
  if (!banner || banner.getBoundingClientRect().bottom > sections[0]?.getBoundingClientRect().top) faults.push("no verdict first");
  return {
    width, faults, hovered, sections: ids, charts: charts.length,
    ground: view.getComputedStyle(page.body).backgroundColor,
    loads: view.performance.getEntriesByType("resource").length,
  };
};
addEventListener("load", () => {
  document.getElementById("measured").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(inside));
});
