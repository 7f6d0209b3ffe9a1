// Opened from a folder, a page may not fetch another: then the search takes its snippets from page-texts.js.
if (location.protocol === "file:" && window.pageTexts) {
  const fetchPage = window.fetch;
  window.fetch = (address, ...rest) => {
    const name = String(address).split(/[?#]/)[0].replace(/\.html$/, "").replace(/^(\.\/)+/, "");
    const text = window.pageTexts[name];
    if (text === undefined) return fetchPage(address, ...rest);
    const holder = document.createElement("div");
    holder.textContent = text;
    return Promise.resolve({ text: () => Promise.resolve(`<div role="main">${holder.innerHTML}</div>`) });
  };
}
