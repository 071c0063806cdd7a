/* The Auction tab keeps itself fresh: every few seconds, while somebody looks, the live part of the page is fetched and
   each of its parts that differs takes the place of the old one. Without this script the page is what it was when it
   was loaded. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const live = document.getElementById("live");
  const button = document.getElementById("live-pause");
  const said = document.getElementById("live-said");
  const clock = document.getElementById("live-clock");
  if (!live || !button) return;
  const pause = Number(live.dataset.seconds) * 1000;
  const mostPause = 60000; // after one failure upon another
  let failures = 0;
  let timer = 0;
  let last = new Map(); // what the server said of each part: the page itself changes as charts are drawn

  const parts = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  const isPaused = () => "paused" in button.dataset;

  /* A chart that stands in the page takes the new numbers, and its table the new rows. */
  const drawAgain = (part, fresh) => {
    const [old, canvas] = [part.querySelector("canvas.chart"), fresh.querySelector("canvas.chart")];
    const chart = old && canvas && window.Chart && window.Chart.getChart(old);
    if (!chart) return false;
    const data = JSON.parse(canvas.dataset.value);
    if (data.datasets.length !== chart.data.datasets.length) return false;
    chart.data.labels = data.labels;
    data.datasets.forEach((set, place) => {
      chart.data.datasets[place].data = set.data;
      if ("pointRadius" in set) chart.data.datasets[place].pointRadius = set.pointRadius;
    });
    chart.update();
    const [before, after] = [part.querySelector(".results"), fresh.querySelector(".results")];
    if (before && after) before.replaceWith(after);
    return true;
  };

  /* A new chart, where there was none before: drawn as those of the page were, with colours that are names of ours. */
  const draw = (part) => {
    const canvas = part.querySelector("canvas.chart");
    if (!canvas || !window.Chart) return;
    const data = JSON.parse(canvas.dataset.value);
    const seen = getComputedStyle(document.documentElement);
    const colour = (name) => (typeof name === "string" && name.startsWith("var(") ? seen.getPropertyValue(name.slice(4, -1)).trim() : name);
    data.datasets.forEach((set) => {
      set.borderColor = colour(set.borderColor);
      set.backgroundColor = Array.isArray(set.backgroundColor) ? set.backgroundColor.map(colour) : colour(set.backgroundColor);
    });
    const options = JSON.parse(canvas.dataset.options);
    Object.values(options.scales || {}).forEach((axis) => { axis.grid = { ...axis.grid, color: seen.getPropertyValue("--line").trim() }; });
    new window.Chart(canvas, { type: canvas.dataset.type, data, options });
  };

  /* Who stands on a link of a part stands on the same link of the new one. */
  const replace = (part, fresh) => {
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const lies = [...part.querySelectorAll(".results")].map((box) => box.scrollLeft);
    part.replaceChildren(...fresh.childNodes);
    part.querySelectorAll(".results").forEach((box, place) => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      box.scrollLeft = lies[place] || 0;
    });
    draw(part);
    if (focused) {
      const again = [...part.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focused);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const show = (text) => {
    const fetched = new DOMParser().parseFromString(text, "text/html");
    const [present, coming] = [parts(live), parts(fetched)];
    const figures = coming.get("figures");
    if (!figures) throw new Error("no figures in the answer");
    coming.forEach((fresh, name) => {
      const [part, told] = [present.get(name), fresh.innerHTML];
      if (!part || last.get(name) === told) return;
      const isFirst = !last.has(name);
      last.set(name, told);
      if (!drawAgain(part, fresh)) replace(part, fresh);
      if (!isFirst) {
        part.classList.remove("is-new");
        void part.offsetWidth; // so that the notice begins anew
        part.classList.add("is-new");
      }
    });
    clock.textContent = figures.dataset.clock;
    if (said.textContent !== figures.dataset.says) said.textContent = figures.dataset.says;
  };

  const fetchAgain = async () => {
    try {
      const answer = await fetch(live.dataset.from, { credentials: "same-origin", redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") {
        said.textContent = "You are signed out. Load the page again to sign in.";
        button.hidden = true;
        return;
      }
      if (!answer.ok) throw new Error(`answer ${answer.status}`);
      const text = await answer.text();
      if (isPaused()) return;
      show(text);
      failures = 0;
    } catch {
      failures += 1;
      said.textContent = "The figures could not be fetched. Trying again.";
    }
    wait();
  };

  const wait = () => {
    window.clearTimeout(timer);
    if (isPaused() || document.hidden) return;
    timer = window.setTimeout(fetchAgain, Math.min(mostPause, pause * 2 ** failures));
  };

  button.addEventListener("click", () => {
    const pausing = button.toggleAttribute("data-paused");
    button.textContent = pausing ? "Resume updates" : "Pause updates";
    if (pausing) window.clearTimeout(timer);
    else fetchAgain();
  });
  document.addEventListener("visibilitychange", wait);
  button.hidden = false;
  wait();
});
