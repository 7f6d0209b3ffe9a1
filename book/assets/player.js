// The embedding player: scatter panels over epochs with a slider. No library; its data is in the page beside it, and
// player_marks.js is before it in one block.
(() => {
  const make = (tag, attributes = {}, text = "") => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    return node;
  };
  const NONE = -32768;
  const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(1)}%`);
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const start = (root) => {
    root.dataset.ready = "";
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const label = decode(data.label);
    const n = label.length;
    const frames = data.epochs.length;
    const runs = data.runs.map((run) => ({
      ...run,
      maps: Object.fromEntries(Object.entries(run.maps).map(([kind, map]) => [kind, {
        ...map, xy: decode(map.xy),
        crosses: Object.fromEntries(Object.entries(map.crosses).map(([name, found]) => [name, decode(found)])),
      }])),
      groups: Object.fromEntries(Object.entries(run.groups).map(([name, group]) => [name, decode(group)])),
    }));
    const state = { at: data.start, goal: data.start, playing: false, colour: data.colours[0][0], map: data.maps[0][0],
      lines: data.lines.length ? data.lines[0][0] : "none", crosses: true, only: new Set(), hover: -1, pin: -1,
      dark: false };

    const mined = minedImages(data, label, (panel, point) => place(panel, point));

    // ---- what is on the page
    const stage = make("div", { class: "ev-live" });
    const bar = make("div", { class: "ev-bar", role: "group", "aria-label": "Playing" });
    const play = make("button", { type: "button", class: "ev-play" });
    const slider = make("input", { type: "range", min: 0, max: frames - 1, step: 1, value: data.start, "aria-label": "epoch" });
    const clock = make("output", { class: "ev-clock" });
    const choice = (name, options, picked, then) => {
      const box = make("label", { class: "ev-choice" }, `${name} `);
      const select = make("select");
      options.forEach(([value, text]) => select.append(make("option", { value }, text)));
      select.value = picked;
      select.addEventListener("change", () => then(select.value));
      box.append(select);
      return box;
    };
    const tick = make("label", { class: "ev-choice" });
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    tick.append(box, " centroids");
    bar.append(play, slider, clock);
    const second = make("div", { class: "ev-bar", role: "group", "aria-label": "What the picture shows" });
    if (data.colours.length > 1) second.append(choice("colour", data.colours, state.colour, (to) => {
      state.colour = to;
      state.only.clear();
      legend();
      draw();
    }));
    if (data.maps.length > 1) second.append(choice("map", data.maps, state.map, (to) => { state.map = to; draw(); }));
    if (data.lines.length) second.append(choice("lines to mined images", data.lines, state.lines, (to) => {
      state.lines = to;
      draw();
    }));
    second.append(tick);
    const grid = make("div", { class: "ev-panels", tabindex: 0, role: "group",
      "aria-label": "Panels: arrow keys go from epoch to epoch, space plays" });
    grid.style.setProperty("--columns", data.panels.length === 1 ? 1 : data.panels.length === 3 ? 3 : 2);
    grid.style.setProperty("--narrow", data.panels.length === 1 ? 1 : 2);
    const panels = data.panels.map((panel) => {
      const figure = make("div", { class: "ev-panel" });
      const title = make("div", { class: "ev-title" });
      title.append(make("b", {}, panel.title), make("span", { class: "ev-scores" }));
      const canvas = make("canvas", { role: "img" });
      figure.append(title, canvas);
      grid.append(figure);
      return { ...panel, figure, canvas, scores: title.lastChild, pen: canvas.getContext("2d") };
    });
    const tip = make("div", { class: "ev-tip", hidden: "" });
    const key = make("div", { class: "ev-legend", role: "group", "aria-label": "Legend: a press shows one colour alone" });
    const dashes = make("p", { class: "ev-lines" });
    const said = make("p", { class: "ev-said", "aria-live": "polite" });
    stage.append(bar, second, grid, ...(mined.any ? [dashes] : []), key, said, tip);
    root.prepend(stage);

    // ---- what a point is called and how it looks
    const palette = () => data.palette[state.dark ? "dark" : "light"];
    const mode = (panel) => panel.colour || state.colour;
    // category of a point in a panel: a class number, or -1 for none; "accepted" has 0 right, 1 other, -1 no
    const category = (panel, frame, point, name = mode(panel)) => {
      const run = runs[panel.run];
      if (name === "class") return label[point];
      const group = run.groups[name === "accepted" ? "pseudo" : name];
      if (!group) return -1;
      const found = group[frame * n + point];
      return name !== "accepted" || found < 0 ? found : found === label[point] ? 0 : 1;
    };
    const look = (name, found) => {
      const { classes, accepted, none } = palette();
      if (found < 0) return [none, 0];
      return name === "accepted" ? [accepted[found], found ? 2 : 0] : [classes[found % classes.length], data.glyphs[found % classes.length]];
    };
    const called = (name, found) => {
      if (name === "accepted") return found < 0 ? "not accepted" : data.accepted[found];
      if (found < 0) return "not accepted";
      return data.classes[found] || `cluster ${found}`;
    };

    // ---- drawing
    const readable = () => {  // the theme, from the colour of the text
      const [r, g, b] = getComputedStyle(root).color.match(/[\d.]+/g).map(Number);
      return 0.3 * r + 0.59 * g + 0.11 * b > 128;
    };
    const size = () => panels.forEach(({ canvas }) => {
      const side = Math.round(canvas.clientWidth * devicePixelRatio);
      if (side && canvas.width !== side) canvas.width = canvas.height = side;
    });
    const place = (panel, point) => {  // position on the canvas, between two snapshots
      const { xy } = runs[panel.run].maps[state.map];
      const low = Math.floor(state.at);
      const high = Math.min(low + 1, frames - 1);
      const share = state.at - low;
      const reach = data.reach[state.map];
      const to = (axis) => {
        const a = xy[2 * (low * n + point) + axis];
        const b = xy[2 * (high * n + point) + axis];
        return 0.5 + (a + (b - a) * share) / (2 * reach);
      };
      return [to(0) * panel.canvas.width, (1 - to(1)) * panel.canvas.height];
    };
    const chosen = () => (state.pin >= 0 ? state.pin : state.hover);
    const paint = (panel) => {
      const { pen, canvas } = panel;
      const name = mode(panel);
      const frame = Math.round(state.at);
      const r = Math.max(1.6 * devicePixelRatio, canvas.width / 150);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      const found = Array.from({ length: n }, (_, point) => category(panel, frame, point));
      // what the legend leaves out is left out by the chosen colour, also where a panel has a colour of its own
      const left = Array.from({ length: n }, (_, point) =>
        state.only.size > 0 && !state.only.has(category(panel, frame, point, state.colour)));
      const focus = state.lines === "none" ? -1 : chosen();
      const near = focus < 0 || state.pin < 0 ? null : new Set([focus, ...mined.of(panel, frame, focus).map(([other]) => other)]);
      if (near && near.size > 1) for (let point = 0; point < n; point += 1) left[point] ||= !near.has(point);
      if (state.lines === "all" && state.pin < 0) {
        mined.draw(panel, frame, [...found.keys()].filter((point) => !left[point]), r, 0.55, palette().lines);
      }
      const order = [...found.keys()].sort((a, b) => left[b] - left[a] || (found[a] >= 0) - (found[b] >= 0) || a - b);
      for (const point of order) {
        const [colour, kind] = look(name, found[point]);
        pen.globalAlpha = left[point] ? (near ? 0.22 : 0.12) : found[point] < 0 ? 0.7 : 0.9;
        pen.fillStyle = colour;
        const [x, y] = place(panel, point);
        glyph(pen, kind, x, y, found[point] < 0 ? 0.65 * r : r);
      }
      pen.globalAlpha = 1;
      const crosses = runs[panel.run].maps[state.map].crosses[name === "accepted" ? "pseudo" : name];
      if (state.crosses && crosses) {
        const count = crosses.length / 2 / frames;
        const reach = data.reach[state.map];
        const low = Math.floor(state.at);
        const high = Math.min(low + 1, frames - 1);
        const share = state.at - low;
        for (let group = 0; group < count; group += 1) {
          const from = 2 * (low * count + group);
          const to = 2 * (high * count + group);
          const near = 2 * (frame * count + group);
          if (crosses[near] === NONE) continue;
          const middle = (axis) => {
            const a = crosses[from + axis] === NONE ? crosses[near + axis] : crosses[from + axis];
            const b = crosses[to + axis] === NONE ? crosses[near + axis] : crosses[to + axis];
            return 0.5 + (a + (b - a) * share) / (2 * reach);
          };
          const [x, y] = [middle(0) * canvas.width, (1 - middle(1)) * canvas.height];
          if (state.only.size > 0 && name === state.colour && !state.only.has(group)) continue;
          cross(pen, x, y, r, palette());
        }
      }
      if (focus >= 0) mined.draw(panel, frame, [focus], 1.5 * r, 1, palette().lines);
      for (const ringed of new Set([state.hover, state.pin])) {
        if (ringed >= 0) ring(pen, ...place(panel, ringed), r, palette().ink);
      }
    };
    const scores = (panel, frame) => {
      const run = runs[panel.run];
      return [["kNN", percent(run.scores.knn_top1[frame])], ["NMI", percent(run.scores.nmi[frame])],
        ["trust", percent(run.maps[state.map].trust[frame])]];
    };
    const held = (panel, frame) => {  // what lines show of the image that is held, in words
      if (state.pin < 0 || panel.mined < 0 || state.lines === "none") return "";
      return `; held image of class ${data.classes[label[state.pin]]}, ${mined.words(panel, frame, state.pin)}`;
    };
    let spoken = "";
    const draw = () => {
      state.dark = readable();
      const frame = Math.round(state.at);
      const epoch = `epoch ${+data.epochs[frame].toFixed(2)}`;
      const whole = `${epoch} of ${+data.epochs[frames - 1].toFixed(2)}`;
      clock.textContent = whole;
      slider.value = Math.round(state.playing ? state.at : state.goal);
      slider.setAttribute("aria-valuetext", whole);
      play.textContent = state.playing ? "❚❚" : "▶";
      play.setAttribute("aria-label", state.playing ? "pause" : "play");
      size();
      for (const panel of panels) {
        paint(panel);
        const found = scores(panel, frame);
        panel.scores.replaceChildren(...found.flatMap(([name, value]) => {
          const one = make("span");
          one.append(`${name} `, make("em", {}, value));
          return [one];
        }));
        const missing = mode(panel) !== "class" && !runs[panel.run].groups[mode(panel) === "accepted" ? "pseudo" : mode(panel)];
        panel.figure.classList.toggle("ev-without", missing);
        panel.canvas.setAttribute("aria-label", `${panel.title}, ${epoch}: ${found.map((pair) => pair.join(" ")).join(", ")}`
          + (missing ? "; this method makes no pseudo-labels" : "") + held(panel, frame));
      }
      if (!state.playing && state.at === state.goal) {
        const text = `${whole}. ${panels.map((panel) => panel.canvas.getAttribute("aria-label")).join(". ")}`;
        if (text !== spoken) said.textContent = spoken = text;
      }
    };
    const legend = () => {
      dashes.innerHTML = mined.key(palette().lines);
      const name = state.colour;
      const items = name === "accepted" ? [0, 1, -1] : [...data.classes.keys()];
      if (name === "pseudo") items.push(-1);
      const rows = new Map();
      for (const found of items) {
        const row = name === "accepted" ? 0 : found < 0 ? 99 : data.rows[found];
        if (!rows.has(row)) rows.set(row, make("div"));
        const chip = make("button", { type: "button", "aria-pressed": state.only.has(found) });
        const [colour, kind] = look(name, found);
        chip.innerHTML = `<svg viewBox="-8 -8 16 16" width="13" height="13" aria-hidden="true" fill="${colour}">${SHAPES[kind]}</svg>`;
        chip.append(called(name, found));
        chip.addEventListener("click", () => {
          if (!state.only.delete(found)) state.only.add(found);
          chip.setAttribute("aria-pressed", state.only.has(found));
          draw();
        });
        rows.get(row).append(chip);
      }
      key.replaceChildren(...rows.values());
    };

    // ---- moving
    let last = 0;
    let timer = 0;
    const move = (now) => {
      const passed = Math.min(now - last, 100) / 1000;
      last = now;
      const pace = state.playing ? 1.1 : 4;  // snapshots a second
      const gap = state.goal - state.at;
      state.at = Math.abs(gap) <= passed * pace ? state.goal : state.at + Math.sign(gap) * passed * pace;
      if (state.at === state.goal) {
        state.playing = false;
        timer = 0;
      } else timer = requestAnimationFrame(move);
      draw();
    };
    const hop = () => {  // without motion: from snapshot to snapshot
      state.at = Math.min(Math.floor(state.at) + 1, frames - 1);
      state.playing = state.at < frames - 1;
      timer = state.playing ? setTimeout(hop, 1200) : 0;
      state.goal = state.playing ? frames - 1 : state.at;
      draw();
    };
    const stop = () => {
      cancelAnimationFrame(timer);
      clearTimeout(timer);
      timer = 0;
      state.playing = false;
    };
    const go = (to) => {
      stop();
      state.goal = Math.max(0, Math.min(frames - 1, to));
      if (still.matches) {
        state.at = state.goal;
        draw();
      } else {
        last = performance.now();
        timer = requestAnimationFrame(move);
      }
    };
    const toggle = () => {
      if (state.playing) {
        go(Math.round(state.at));
        return;
      }
      stop();
      if (state.at >= frames - 1) state.at = 0;
      state.playing = true;
      state.goal = frames - 1;
      draw();
      if (still.matches) timer = setTimeout(hop, 1200);
      else {
        last = performance.now();
        timer = requestAnimationFrame(move);
      }
    };
    play.addEventListener("click", toggle);
    slider.addEventListener("input", () => go(+slider.value));
    box.addEventListener("change", () => { state.crosses = box.checked; draw(); });
    grid.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
      if (event.key === " ") toggle();
      else if (event.key in steps) go(Math.round(state.goal) + steps[event.key]);
      else if (event.key === "Home") go(0);
      else if (event.key === "End") go(frames - 1);
      else if (event.key === "Escape" && state.pin >= 0) { state.pin = -1; draw(); }
      else if (event.key === "n" && mined.any) {  // without a pointer: the next image that something is mined for
        const now = Math.round(state.goal);
        const any = (point) => panels.some((panel) => mined.of(panel, now, point).length);
        let next = state.pin + 1;
        while (next < n && !any(next)) next += 1;
        state.pin = next < n ? next : -1;
        draw();
      }
      else return;
      event.preventDefault();
    });

    // ---- pointing: one image, in all panels
    const point = (panel, event) => {
      const frame = panel.canvas.getBoundingClientRect();
      const scale = panel.canvas.width / frame.width;
      const [x, y] = [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
      let best = -1;
      let least = (14 * scale) ** 2;
      for (let other = 0; other < n; other += 1) {
        const [u, v] = place(panel, other);
        const far = (u - x) ** 2 + (v - y) ** 2;
        if (far < least) [best, least] = [other, far];
      }
      if (best === state.hover) return;
      state.hover = best;
      tip.hidden = best < 0;
      if (best >= 0) {
        const now = Math.round(state.at);
        const groups = runs[panel.run].groups;
        const lines = [data.classes[label[best]]];
        for (const [name, text] of [["pseudo", "pseudo-label"], ["cluster", "cluster"]]) {
          if (groups[name]) lines.push(`${text}: ${called(name, groups[name][now * n + best])}`);
        }
        if (panel.mined >= 0) lines.push(mined.words(panel, now, best));
        tip.textContent = lines.join(" · ");
        const home = root.getBoundingClientRect();
        tip.style.left = `${Math.min(event.clientX - home.left + 12, home.width - 190)}px`;
        tip.style.top = `${event.clientY - home.top + 14}px`;
      }
      draw();
    };
    for (const panel of panels) {
      panel.canvas.addEventListener("pointermove", (event) => point(panel, event));
      panel.canvas.addEventListener("pointerdown", (event) => {
        point(panel, event);
        if (!mined.any) return;
        state.pin = state.hover === state.pin ? -1 : state.hover;
        draw();
      });
      panel.canvas.addEventListener("pointerleave", (event) => {
        if (event.pointerType !== "touch") { state.hover = -1; tip.hidden = true; draw(); }
      });
    }

    const renew = () => { state.dark = readable(); legend(); draw(); };
    new MutationObserver(renew).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", renew);
    new ResizeObserver(draw).observe(grid);
    root.classList.add("ev-ready");
    renew();
  };
  document.querySelectorAll(".evolution:not([data-ready])").forEach(start);
})();
