/* A page that stands alone wears what was chosen in the menu, where unfold keeps the choice: else it goes by the
   system, as it does without this script. */
"use strict";

try {
  const chosen = JSON.parse(localStorage.getItem("adminTheme"));
  if (chosen === "light" || chosen === "dark") document.documentElement.className = chosen;
} catch { /* nothing can be kept in this browser, or something else was */ }
