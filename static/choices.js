// The form of one digest: find a topic while typing, and take the time zone of this device. htmx shows the preview.
"use strict";
(() => {
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();

  const search = document.querySelector("[data-find]");
  if (search) {
    const field = search.querySelector("input");
    const said = search.querySelector("[data-none]");
    const labels = [...document.querySelectorAll("[data-shelf] .tick")];
    search.hidden = false;
    field.addEventListener("input", () => {
      const wanted = plain(field.value);
      for (const label of labels) {
        // What is chosen always stays in view.
        label.hidden = !(label.querySelector("input").checked || plain(label.textContent).includes(wanted));
      }
      said.textContent = labels.some((label) => plain(label.textContent).includes(wanted)) ? "" : said.dataset.none;
    });
    field.addEventListener("change", (event) => event.stopPropagation()); // it is no choice: nothing to preview
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault(); // not yet to be saved
      }
    });
  }

  const zone = document.getElementById("zone");
  const offer = document.querySelector("[data-zone-offer]");
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && offer && here && here.includes("/") && !here.startsWith("Etc/")) {
    const compare = () => {
      offer.hidden = zone.value === here;
    };
    offer.querySelector("bdi").textContent = here;
    offer.querySelector("button").addEventListener("click", () => {
      zone.value = here;
      zone.focus();
      zone.dispatchEvent(new Event("change", { bubbles: true }));
    });
    zone.addEventListener("change", compare);
    compare();
  }
})();
