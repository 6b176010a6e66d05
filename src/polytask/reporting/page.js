"use strict";
// Without this script the page is whole; with it the drawings answer to mouse, touch and keys.
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const number = (value) => String(Number(value.toPrecision(4))).replace("-", "\u2212");
  const shape = (name, parent, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return parent.appendChild(made);
  };
  const MOST = 6; // lines of a read-out

  // One stop of the tab key for a whole group; arrows go from one member to the next.
  function rove(members, keys) {
    members.forEach((member, place) => {
      member.setAttribute("tabindex", place ? -1 : 0);
      member.addEventListener("focus", () => members.forEach((other) => other.setAttribute("tabindex", other === member ? 0 : -1)));
      member.addEventListener("keydown", (event) => {
        const step = keys[event.key];
        if (!step) return;
        event.preventDefault();
        for (let next = place + step; members[next]; next += step)
          if (members[next].getClientRects().length) return members[next].focus(); // those that are shown
      });
    });
  }

  // Tasks chosen in a legend stand out in all drawings.
  const chosen = new Set();
  const buttons = all("button[data-choose]");
  const shown = (task) => !task || !chosen.size || chosen.has(task);
  for (const legend of all(".tasks")) {
    legend.hidden = false;
    rove(all("button", legend), { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 });
  }
  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const task = button.dataset.choose;
      chosen.has(task) ? chosen.delete(task) : chosen.add(task);
      document.body.classList.toggle("focused", chosen.size > 0);
      for (const other of buttons) other.setAttribute("aria-pressed", chosen.has(other.dataset.choose));
      for (const part of all("[data-task]")) part.classList.toggle("chosen", chosen.has(part.dataset.task));
    });
  }

  // A read-out at the epoch under the pointer, or where the arrow keys have gone.
  function plot(svg) {
    const [left, top, right, bottom, x0, x1, y0, y1] = svg.dataset.frame.split(" ").map(Number);
    const lines = all("[data-points]", svg).map((part) => ({
      part, name: part.dataset.name, task: part.dataset.task,
      points: part.dataset.points.split(" ").map((point) => point.split(",").map(Number)),
    }));
    const xs = [...new Set(lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b);
    const across = (x) => left + ((x - x0) / (x1 - x0)) * (right - left);
    const up = (y) => bottom - (((svg.dataset.log ? Math.log10(y) : y) - y0) / (y1 - y0)) * (bottom - top);
    const marks = shape("g", svg, { class: "marks", "aria-hidden": true });
    const box = document.createElement("div"), output = document.createElement("output");
    svg.replaceWith(box);
    box.className = "plot-box";
    box.append(svg, output);
    output.hidden = true;
    let place = -1;

    function hide() {
      output.hidden = true;
      marks.replaceChildren();
      place = -1;
    }

    function show(next, height) {
      place = Math.max(0, Math.min(xs.length - 1, next));
      const x = xs[place];
      const found = lines.flatMap((line) => {
        const { points } = line;
        if (!shown(line.task) || x < points[0][0] || x > points[points.length - 1][0]) return [];
        const [px, py] = points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
        return [{ line, px, py }];
      });
      const away = ({ py }) => (height === undefined ? -py : Math.abs(up(py) - height));
      if (found.length > MOST) found.sort((a, b) => away(a) - away(b));
      const listed = found.slice(0, MOST).sort((a, b) => b.py - a.py); // as on the drawing, from top to bottom
      const rows = [`${svg.dataset.across || "epoch"} ${number(x)}`, ...listed.map(({ line, py }) => `${number(py)} ${line.name}`)];
      if (found.length > MOST) rows.push(`and ${found.length - MOST} more`);
      output.replaceChildren(...rows.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
      marks.replaceChildren();
      shape("line", marks, { x1: across(x), x2: across(x), y1: top, y2: bottom, class: "cursor" });
      for (const { line, px, py } of listed)
        if (up(py) <= bottom + 1 && up(py) >= top - 1)
          shape("circle", marks, { cx: across(px), cy: up(py), r: 3.5, class: `${line.part.getAttribute("class")} at` });
      const share = across(x) / svg.viewBox.baseVal.width;
      output.style.left = `${100 * share}%`;
      output.classList.toggle("left", share > 0.5);
      output.hidden = false;
    }

    function point(event) {
      const frame = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / frame.width;
      const x = (event.clientX - frame.left) * scale;
      const nearest = xs.reduce((a, b, i) => (Math.abs(across(b) - x) < Math.abs(across(xs[a]) - x) ? i : a), 0);
      show(nearest, (event.clientY - frame.top) * scale);
    }

    if (!xs.length) return;
    svg.setAttribute("role", "application");
    svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")}. Left and right arrow keys read values.`);
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const next = { ArrowRight: place + 1, ArrowLeft: place < 0 ? xs.length - 1 : place - 1, Home: 0, End: xs.length - 1 }[event.key];
      if (event.key === "Escape") hide();
      if (next === undefined) return;
      event.preventDefault();
      show(next);
    });
  }
  all("svg[data-frame]").forEach(plot);
  for (const group of all(".panels")) rove(all("svg[data-frame]", group), { ArrowDown: 1, ArrowUp: -1 });
  for (const group of [document.querySelector(".panels:has(svg[data-frame])")].filter(Boolean)) {
    const hint = document.createElement("p");
    hint.className = "note";
    hint.textContent = "Point at a figure to read its values, or focus it and use the left and right arrow keys; up and down move to the next.";
    group.after(hint);
  }

  // The words on a cell of a matrix, below it.
  for (const svg of all("svg[data-columns]")) {
    const columns = Number(svg.dataset.columns), cells = all("rect", svg).filter((cell) => cell.querySelector("title"));
    const output = document.createElement("output");
    output.className = "said";
    output.textContent = svg === document.querySelector("svg[data-columns]") ? "Point at a cell, or focus the matrix and use the arrow keys." : "";
    svg.parentElement.after(output);
    svg.setAttribute("tabindex", 0);
    svg.setAttribute("role", "application");
    svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")}. Arrow keys read the cells.`);
    let place = -1;
    const show = (next) => {
      cells[place]?.classList.remove("at");
      place = next;
      cells[place].classList.add("at");
      output.textContent = cells[place].querySelector("title").textContent;
    };
    cells.forEach((cell, index) => cell.addEventListener("pointerenter", () => show(index)));
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = place < 0 ? 0 : place + step;
      if (cells[next] && (Math.abs(step) > 1 || place < 0 || Math.floor(next / columns) === Math.floor(place / columns))) show(next);
    });
  }
})();
