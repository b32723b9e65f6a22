// The player of one session, and the list of commands beside it.
"use strict";
(() => {
  const place = document.getElementById("player");
  if (!place || !window.AsciinemaPlayer) return;

  const steps = [...document.querySelectorAll("#steps a[data-at]")];
  const startAt = Number(place.dataset.start) || 0;
  const player = AsciinemaPlayer.create({ url: place.dataset.index, format: "segmented" }, place, {
    startAt,
    poster: startAt > 0 ? undefined : `npt:${place.dataset.poster}`,
    fit: "width",
    controls: true,
    cursorMode: "steady",
    terminalFontSize: "small",
    theme: "auto/asciinema",
  });

  let current = null;
  function mark(time) {
    let now = null;
    for (const step of steps) {
      if (Number(step.dataset.at) > time + 0.05) break;
      now = step;
    }
    if (now === current) return;
    current?.removeAttribute("aria-current");
    now?.setAttribute("aria-current", "true");
    current = now;
    const list = document.getElementById("steps");
    if (now && list) {
      const top = now.offsetTop - list.offsetTop;
      if (top < list.scrollTop || top + now.offsetHeight > list.scrollTop + list.clientHeight) {
        list.scrollTop = top - list.clientHeight / 3;
      }
    }
  }

  for (const step of steps) {
    step.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      const at = Number(step.dataset.at);
      history.replaceState(null, "", step.href);
      player.seek(at).then(() => mark(at));
    });
  }

  mark(startAt);
  if (startAt > 0) player.seek(startAt);
  setInterval(() => mark(player.getCurrentTime()), 250);
})();
