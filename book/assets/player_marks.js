// What the player draws with: glyphs, crosses, and lines from an image to those that its method mined for it.
const decode = ({ bytes, data }) => {
  const raw = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return bytes === 1 ? new Int8Array(raw.buffer) : new Int16Array(raw.buffer);
};

// glyphs of one area around the origin: circle, square, triangle, diamond
const glyph = (pen, kind, x, y, r) => {
  pen.beginPath();
  if (kind === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === 1) pen.rect(x - 0.89 * r, y - 0.89 * r, 1.77 * r, 1.77 * r);
  else {
    const corners = kind === 2 ? [[0, -1.45], [1.3, 0.8], [-1.3, 0.8]] : [[0, -1.35], [1.15, 0], [0, 1.35], [-1.15, 0]];
    corners.forEach(([u, v], place) => pen[place ? "lineTo" : "moveTo"](x + u * r, y + v * r));
    pen.closePath();
  }
  pen.fill();
};
// the same as SVG, for legends
const SHAPES = ['<circle r="5"/>', '<rect x="-4.5" y="-4.5" width="9" height="9"/>', '<path d="M0-7L6.5 4-6.5 4z"/>',
  '<path d="M0-6.7L5.7 0 0 6.7-5.7 0z"/>'];

const cross = (pen, x, y, r, { paper, ink }) => {  // dark on light, or the other way round, whatever lies below
  for (const [colour, width] of [[paper, 1.5], [ink, 0.55]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width * r;
    pen.beginPath();
    pen.moveTo(x - 1.7 * r, y - 1.7 * r);
    pen.lineTo(x + 1.7 * r, y + 1.7 * r);
    pen.moveTo(x + 1.7 * r, y - 1.7 * r);
    pen.lineTo(x - 1.7 * r, y + 1.7 * r);
    pen.stroke();
  }
};

const ring = (pen, x, y, r, colour) => {
  pen.strokeStyle = colour;
  pen.lineWidth = 0.5 * r;
  pen.beginPath();
  pen.arc(x, y, 2.4 * r, 0, 2 * Math.PI);
  pen.stroke();
};

// Mined images of a player's data; `place` gives a point's position on a panel's canvas.
const minedImages = (data, label, place) => {
  const [n, frames] = [label.length, data.epochs.length];
  const mines = data.mined.map(({ layers, places }) => {
    const numbers = decode(places);
    return { layers, numbers, slots: numbers.length / frames / n / layers };
  });
  const of = (panel, frame, point) => {  // [place, layer from 0] of those that are shown
    if (panel.mined < 0) return [];
    const { layers, numbers, slots } = mines[panel.mined];
    const out = [];
    for (let layer = 0; layer < layers; layer += 1) {
      for (let slot = 0; slot < slots; slot += 1) {
        const other = numbers[((frame * n + point) * layers + layer) * slots + slot];
        if (other >= 0) out.push([other, layer]);
      }
    }
    return out;
  };
  const words = (panel, frame, point) => {
    const mined = of(panel, frame, point);
    const right = mined.filter(([other]) => label[other] === label[point]).length;
    return mined.length ? `lines: ${mined.length}, of its class ${right}` : "nothing mined among the shown";
  };
  const draw = (panel, frame, points, r, strength, colours) => {
    const { pen } = panel;
    const drawn = new Set();  // two dashed lines on each other, there and back, would look solid
    for (const wrong of [true, false]) {  // right ones, which are fewer, on top
      pen.strokeStyle = colours[wrong ? 1 : 0];
      pen.setLineDash(wrong ? [1.7 * r, 1.5 * r] : []);
      for (const from of points) {
        for (const [other, layer] of of(panel, frame, from)) {
          if ((label[other] !== label[from]) !== wrong) continue;
          const ends = Math.min(from, other) * n + Math.max(from, other);
          if (drawn.has(ends)) continue;
          drawn.add(ends);
          pen.globalAlpha = strength * (wrong ? 0.8 : 1);
          pen.lineWidth = r * [0.75, 0.5, 0.3][Math.min(layer, 2)];
          pen.beginPath();
          pen.moveTo(...place(panel, from));
          pen.lineTo(...place(panel, other));
          pen.stroke();
        }
      }
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  };
  const sample = (colour, dash) => `<svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true"><path d="M0 4H26" stroke="${colour}" stroke-width="2.2"${dash}/></svg>`;
  const key = (colours) => `${sample(colours[0], "")} mined, of the same class `
    + `${sample(colours[1], ' stroke-dasharray="5 4"')} mined, of another class`
    + (mines.some(({ layers }) => layers > 1) ? " · thick: one hop, thinner: two, three" : "")
    + " · press an image to hold its lines, press it again (or Escape) to let go; n goes to the next";
  return { any: mines.length > 0, of, words, draw, key };
};
