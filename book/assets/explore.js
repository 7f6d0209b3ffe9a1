// Draws every plot to explore from the JSON inside it, in the page's colours; drawn again when these change.
(() => {
  const colours = () => {
    const style = getComputedStyle(document.body);
    return { text: style.color, grid: "rgba(128,128,128,.25)" };
  };
  const draw = (box) => {
    const { data, layout } = JSON.parse(box.querySelector("script").textContent);
    const { text, grid } = colours();
    const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid };
    Object.assign(layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text },
      margin: { l: 50, r: 10, t: 50, b: 50 }, height: 400,
      xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis },
    });
    const grey = "rgba(128,128,128,.2)";
    layout.updatemenus.forEach((menu) => Object.assign(menu, { bgcolor: grey, bordercolor: grid, font: { color: text } }));
    let target = box.querySelector(".drawn");
    if (!target) {
      target = document.createElement("div");
      target.className = "drawn";
      box.append(target);
    }
    Plotly.react(target, data, layout, { responsive: true, displaylogo: false });
  };
  const all = () => document.querySelectorAll(".explore").forEach(draw);
  const start = () => {
    all();
    new MutationObserver(all).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
