"use strict";
(() => {
  const text = document.getElementById("filter-text");
  const verdict = document.getElementById("filter-verdict");
  const backend = document.getElementById("filter-backend");
  const shown = document.getElementById("filter-count");
  const rows = [...document.querySelectorAll("#tests tbody tr")];
  const haystack = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => haystack[i].includes(word)) &&
        (!verdict.value || row.dataset.verdict === verdict.value) &&
        (!backend.value || row.dataset.backend === backend.value);
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = `${count} of ${rows.length} shown`;
  };
  [text, verdict, backend].forEach((control) => control.addEventListener("input", apply));
  document.querySelectorAll("[data-jump]").forEach((link) => link.addEventListener("click", () => {
    verdict.value = link.dataset.jump;
    apply();
  }));
  const open = () => {
    const row = document.getElementById(location.hash.slice(1));
    if (!row || !rows.includes(row)) return;
    row.hidden = false;
    row.querySelectorAll("details").forEach((d) => { d.open = true; });
    row.scrollIntoView();
  };
  window.addEventListener("hashchange", open);
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  apply();
  open();
})();
