// The player of one session, and the list of commands beside it.
"use strict";
(() => {
  const place = document.getElementById("player");
  if (!place || !window.AsciinemaPlayer) return;

  const steps = [...document.querySelectorAll("#steps a[data-at]")];
  const live = place.dataset.live;
  if (live) return follow(live);

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

  // What goes on now. The server sends a screen and then what comes; who is too slow gets a screen again.
  function follow(url) {
    const player = AsciinemaPlayer.create({ driver: "eventsource", url, bufferTime: 0 }, place, {
      autoPlay: true,
      fit: "width",
      controls: false,
      cursorMode: "steady",
      terminalFontSize: "small",
      theme: "auto/asciinema",
    });
    place.querySelector(".ap-player")?.setAttribute("tabindex", "0");
    player.addEventListener("marker", ({ time, label }) => {
      const list = document.getElementById("steps");
      if (!list) return;
      const step = document.createElement("li");
      const link = document.createElement("a");
      link.href = `${location.pathname}?t=${time}`;
      const clock = document.createElement("time");
      clock.textContent = position(time);
      const code = document.createElement("code");
      const text = document.createElement("bdi");
      text.textContent = label;
      code.append(text);
      link.append(clock, code);
      step.append(link);
      list.append(step);
      list.scrollTop = list.scrollHeight;
      const count = document.getElementById("count");
      if (count) count.textContent = list.children.length;
    });
    player.addEventListener("ended", () => {
      const notice = document.getElementById("live");
      if (!notice) return;
      const text = document.createElement("p");
      text.textContent = "The session has ended.";
      const again = document.createElement("a");
      again.className = "button";
      again.href = location.pathname;
      again.textContent = "Watch the recording";
      notice.replaceChildren(text, again);
    });
  }

  function position(seconds) {
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  }

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
