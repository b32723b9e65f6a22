// The player of one session, the list of commands beside it, and the timeline below.
"use strict";
(() => {
  const place = document.getElementById("player");
  if (!place || !window.AsciinemaPlayer) return;

  const by = (id) => document.getElementById(id);
  const LOOK = { fit: "width", cursorMode: "steady", terminalFontSize: "small", theme: "auto/asciinema" };
  if (place.dataset.live) follow(place.dataset.live);
  else replay(place.dataset.index);

  // What goes on now. The server sends a screen and then what comes; who is too slow gets a screen again.
  function follow(url) {
    const player = AsciinemaPlayer.create({ driver: "eventsource", url, bufferTime: 0 }, place, {
      ...LOOK, autoPlay: true, controls: false,
    });
    player.addEventListener("marker", ({ time, label }) => {
      const list = by("steps");
      if (!list) return;
      list.append(line(time, label));
      list.scrollTop = list.scrollHeight;
      by("count").textContent = list.children.length;
    });
    player.addEventListener("ended", () => {
      const again = made("a", "button", "Watch the recording");
      again.href = location.pathname;
      by("ending")?.remove();
      by("live")?.replaceChildren(made("p", "", "The session has ended."), again);
    });
  }

  async function replay(url) {
    const steps = [...document.querySelectorAll("#steps a[data-at]")];
    const startAt = Number(place.dataset.start) || 0;
    let speed = 1;
    let player = create(startAt, false);
    let playing = false;
    let index = null;
    let found = [];
    let current = null;

    function create(at, autoPlay) {
      const made = AsciinemaPlayer.create({ url, format: "segmented" }, place, {
        ...LOOK, speed, autoPlay, controls: true, startAt: at,
        poster: at > 0 || autoPlay ? undefined : `npt:${place.dataset.poster}`,
      });
      made.addEventListener("playing", () => (playing = true));
      made.addEventListener("pause", () => (playing = false));
      made.addEventListener("ended", () => {
        // Of a session that goes on, what was stored is over: what is on the screen now is next.
        if (playing && place.dataset.after) location.assign(place.dataset.after);
        playing = false;
      });
      return made;
    }

    // `sought`: the screen of that moment is there.
    function seek(at) {
      return player.seek(at).then(() => (shown(at), place.dispatchEvent(new CustomEvent("sought", { detail: at }))));
    }

    // Where the recording stands: in the list, on the timeline, in the link.
    function shown(time) {
      let now = null;
      for (const step of steps) {
        if (Number(step.dataset.at) > time + 0.05) break;
        now = step;
      }
      if (now !== current) {
        current?.removeAttribute("aria-current");
        now?.setAttribute("aria-current", "true");
        current = now;
        const list = by("steps");
        if (now && list) {
          const top = now.offsetTop - list.offsetTop;
          if (top < list.scrollTop || top + now.offsetHeight > list.scrollTop + list.clientHeight) {
            list.scrollTop = top - list.clientHeight / 3;
          }
        }
      }
      if (!index) return;
      const strip = by("strip");
      by("hand").style.left = `${(100 * time) / Math.max(index.duration, 0.001)}%`;
      strip.setAttribute("aria-valuenow", Math.round(time));
      strip.setAttribute("aria-valuetext", position(time));
      by("moment").href = `${location.pathname}?t=${Math.round(time * 10) / 10}`;
    }

    for (const step of steps) {
      step.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        history.replaceState(null, "", step.href);
        seek(Number(step.dataset.at));
      });
    }

    shown(startAt);
    if (startAt > 0) player.seek(startAt);
    setInterval(tick, 200);

    function tick() {
      const time = player.getCurrentTime();
      shown(time);
      if (!playing || !index || !by("idle").checked) return;
      const pause = index.pauses.find(([from, to]) => time > from + 0.7 && time < to - 0.7);
      if (pause) player.seek(pause[1] - 0.3);
    }

    const answer = await fetch(url);
    if (!answer.ok) return;
    index = await answer.json();
    by("deck").hidden = false;
    by("strip").setAttribute("aria-valuemax", Math.round(index.duration));
    shown(player.getCurrentTime() || startAt);
    draw();
    new ResizeObserver(draw).observe(by("strip"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

    // Bars of what was printed, a tick for each command, a line for each place where the text was found.
    function draw() {
      const canvas = by("bars");
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      const scale = devicePixelRatio || 1;
      [canvas.width, canvas.height] = [width * scale, height * scale];
      const to = canvas.getContext("2d");
      to.scale(scale, scale);
      const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
      const x = (time) => (time / Math.max(index.duration, 0.001)) * width;
      const { width: each, bytes } = index.activity;
      const most = Math.log1p(Math.max(1, ...bytes));
      to.fillStyle = colour("--accent");
      to.globalAlpha = 0.55;
      bytes.forEach((amount, bar) => {
        const tall = (Math.log1p(amount) / most) * (height - 10);
        if (amount) to.fillRect(x(bar * each), height - tall, Math.max(1, x(each) - 0.5), tall);
      });
      to.globalAlpha = 1;
      to.fillStyle = colour("--muted");
      for (const [time] of index.markers) to.fillRect(x(time), 0, 1.5, 6);
      to.fillStyle = colour("--warn");
      for (const { offset } of found) to.fillRect(x(offset), 0, 2, height);
    }

    const strip = by("strip");
    strip.addEventListener("pointerdown", (event) => {
      strip.setPointerCapture(event.pointerId);
      const to = (at) => {
        const { left, width } = strip.getBoundingClientRect();
        seek(Math.min(Math.max((at.clientX - left) / width, 0), 1) * index.duration);
      };
      to(event);
      strip.onpointermove = to;
      strip.onpointerup = () => (strip.onpointermove = null);
    });
    strip.addEventListener("keydown", (event) => {
      const leap = { ArrowLeft: -5, ArrowRight: 5, PageUp: -60, PageDown: 60 }[event.key];
      const to = event.key === "Home" ? 0 : event.key === "End" ? index.duration : leap && player.getCurrentTime() + leap;
      if (to === undefined) return;
      event.preventDefault();
      seek(Math.min(Math.max(to, 0), index.duration));
    });

    function command(forward) {
      const time = player.getCurrentTime();
      const times = index.markers.map(([at]) => at);
      const to = forward ? times.find((at) => at > time + 0.1) : times.findLast((at) => at < time - 0.5);
      if (to !== undefined) seek(to);
    }
    by("previous").addEventListener("click", () => command(false));
    by("next").addEventListener("click", () => command(true));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
      if (event.key === ",") command(false);
      if (event.key === ";") command(true);
    });

    by("speed").addEventListener("change", () => {
      const [at, on] = [player.getCurrentTime(), playing];
      speed = Number(by("speed").value);
      player.dispose();
      playing = false;
      player = create(at, on);
      if (!on) player.seek(at);
    });

    by("find").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = new FormData(by("find")).get("q").trim();
      const places = by("places");
      found = [];
      if (!text) return places.replaceChildren(), draw();
      places.textContent = "Looking through the recording…";
      const answer = await fetch(url.replace("player/index.json", `find?q=${encodeURIComponent(text)}`));
      const told = await answer.json();
      if (!answer.ok) return (places.textContent = told.message);
      found = told.places;
      draw();
      const many = `${told.more ? "More than " : ""}${found.length} ${found.length === 1 ? "line has" : "lines have"} it.`;
      const list = made("ol");
      for (const { offset, text } of found.slice(0, 100)) {
        const item = line(offset, text);
        item.firstChild.addEventListener("click", (event) => {
          event.preventDefault();
          seek(offset);
        });
        list.append(item);
      }
      places.replaceChildren(made("p", "", many), ...(found.length ? [list] : []));
    });
  }

  function line(time, label) {
    const link = made("a");
    link.href = `${location.pathname}?t=${time}`;
    const code = made("code");
    code.append(made("bdi", "", label));
    link.append(made("time", "", position(time)), code);
    const item = made("li");
    item.append(link);
    return item;
  }

  function made(name, kind = "", text = "") {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text) element.textContent = text;
    return element;
  }

  function position(seconds) {
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  }
})();
