// The filter of the runs list; everything else on this page works without a script.
(() => {
  const field = document.getElementById("filter"), lines = document.getElementById("lines");
  if (!field || !lines) return;
  const rows = [...lines.rows].map((row) => [row, row.textContent.toLowerCase()]);
  const found = document.getElementById("found");
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    found.textContent = words.length ? `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
  };
  field.addEventListener("input", apply);
  field.closest(".filter").hidden = false;
})();
