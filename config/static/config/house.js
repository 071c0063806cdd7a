/* What pages of the house do beyond links and forms. Everything here has a way without it. */
"use strict";

/* htmx, which unfold brings for its search, may neither write styles into the page nor evaluate attributes of it. */
if (window.htmx) Object.assign(htmx.config, { includeIndicatorStyles: false, allowEval: false, selfRequestsOnly: true });

/* A deed in a dialog. The button stands in a form that leads to the page of confirmation; here the same form opens
   in a dialog instead. <dialog> keeps the rest of the page inert and closes at Escape; the focus is kept in it and
   given back to the button, and what was chosen in the dialog is gone when it closes. */
document.addEventListener("submit", (event) => {
  const dialog = document.getElementById(event.target.dataset.dialog || "");
  if (!dialog || !dialog.showModal) return;
  event.preventDefault();
  const opener = event.submitter || document.activeElement;
  dialog.addEventListener("close", () => { dialog.querySelector("form").reset(); opener.focus(); }, { once: true });
  dialog.showModal();
  const first = dialog.querySelector("[autofocus], input:not([type=hidden]), select, textarea, button");
  if (first) first.focus();
});

document.addEventListener("click", (event) => {
  const closer = event.target.closest("dialog [data-close]");
  if (closer) closer.closest("dialog").close();
});

/* From the last field of a dialog Tab leads to its first, and not to the window around the page. */
document.addEventListener("keydown", (event) => {
  const dialog = event.key === "Tab" && event.target.closest && event.target.closest("dialog[open]");
  if (!dialog) return;
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]:not([tabindex='-1'])";
  const stops = [...dialog.querySelectorAll(all)].filter((one) => !one.disabled && one.offsetParent !== null);
  const [first, last] = [stops[0], stops[stops.length - 1]];
  if (event.shiftKey ? event.target === first : event.target === last) {
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }
});

/* A form is sent once: a second click while the answer is on its way does nothing. */
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

/* On a telephone a table of many columns shows one row under the other, each number under the head of its column: the
   style sheet draws them so as soon as the cells know their heads. Without this the table scrolls in its box. */
const headCells = () => {
  document.querySelectorAll("table.review:not(.queue, .by-rows), table.standing:not(.by-rows)").forEach((table) => {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    if (heads.length < 4) return;
    table.querySelectorAll("tbody tr").forEach((row) => {
      [...row.cells].forEach((cell, place) => { if (place && heads[place]) cell.dataset.head = heads[place]; });
    });
    table.classList.add("by-rows");
  });
};

/* The cells of a list carry the heads of their columns for telephones: as sentences begin. */
const capitalLabels = () => {
  document.querySelectorAll("#result_list [data-label]").forEach((cell) => {
    cell.dataset.label = cell.dataset.label.charAt(0).toUpperCase() + cell.dataset.label.slice(1);
  });
};

/* The menu shows the line of this page, and keeps it in sight. */
document.addEventListener("DOMContentLoaded", () => {
  if (matchMedia("(max-width: 767px)").matches) { /* a telephone has room for the list or for its filters */
    document.querySelectorAll("details.filters[open]").forEach((box) => { box.open = false; });
  }
  capitalLabels();
  headCells();
  const live = document.getElementById("live"); /* whose tables are replaced while somebody looks */
  if (live) new MutationObserver(headCells).observe(live, { childList: true, subtree: true });
  const here = document.querySelector(".menu [aria-current=page]");
  if (here) here.scrollIntoView({ block: "nearest" });
  document.querySelectorAll(".results, .readonly, .prose, .summary, .value div[id^=id_]").forEach((box) => {
    if (box.scrollWidth > box.clientWidth && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  });
});
