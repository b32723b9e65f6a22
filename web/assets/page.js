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

  // The newest page of the list looks for news while somebody can see it.
  const results = document.querySelector("#results[data-refresh]");
  const again = async () => {
    if (document.visibilityState !== "visible" || results.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { "kubetape-by-itself": "1" }, redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const newer = page.getElementById("results");
    if (newer && newer.textContent !== results.textContent) results.replaceChildren(...newer.children);
  };
  if (results) setInterval(() => again().catch(() => {}), 10_000);

  // Empty fields stay out of the address.
  for (const form of document.querySelectorAll("form[method=get]")) {
    form.addEventListener("submit", () => {
      const empty = [...form.elements].filter((field) => field.name && !field.value);
      for (const field of empty) field.disabled = true;
      setTimeout(() => empty.forEach((field) => (field.disabled = false)));
    });
  }
})();
