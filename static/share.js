// Show the buttons that only work with a script: copy the link, share with another app.
"use strict";
const copy = document.querySelector("[data-copy]");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const link = document.getElementById(copy.dataset.copy);
    link.select();
    await navigator.clipboard.writeText(link.value);
    document.getElementById("copied").textContent = copy.dataset.done;
  });
}
const share = document.querySelector("[data-share]");
if (share && navigator.share) {
  share.hidden = false;
  share.addEventListener("click", () => {
    navigator.share({ title: share.dataset.title, url: share.dataset.share }).catch(() => {
      // The reader closed the sheet again: nothing to say.
    });
  });
}
