// Small comforts; every page works without them.
"use strict";
(() => {
  // "/" goes to the search box.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, .ap-player")) return;
    const box = document.querySelector("input[data-slash]");
    if (box) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  });

  // On a narrow screen filters that are not in use are folded away.
  for (const filters of document.querySelectorAll("details.filters:not([data-active])")) {
    if (matchMedia("(max-width: 62rem)").matches) filters.open = false;
  }

  // Empty fields stay out of the address.
  for (const form of document.querySelectorAll("form[method=get]")) {
    form.addEventListener("submit", () => {
      const empty = [...form.elements].filter((field) => field.name && !field.value);
      for (const field of empty) field.disabled = true;
      setTimeout(() => empty.forEach((field) => (field.disabled = false)));
    });
  }
})();
