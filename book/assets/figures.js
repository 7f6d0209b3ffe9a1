// A wide figure is shown whole; a click or Enter shows it at its own size, to be scrolled sideways, and back.
document.querySelectorAll("img.plot.wide, .diagram .scroll svg").forEach((image) => {
  image.tabIndex = 0;
  const turn = () => image.classList.toggle("large");
  image.addEventListener("click", turn);
  image.addEventListener("keydown", (event) => event.key === "Enter" && turn());
});
