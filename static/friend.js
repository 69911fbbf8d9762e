// Count that a story was opened from a friend's mail: once, and nothing about who reads it. All such mails have the same
// mark at the end of the link; a browser keeps it to itself, and here it goes.
"use strict";
const read = document.querySelector("[data-read]");
if (read && location.hash === "#from-a-friend") {
  history.replaceState(null, "", location.pathname + location.search);
  fetch(read.dataset.read, { method: "POST", credentials: "omit", keepalive: true }).catch(() => {
    // It was not counted: nobody misses it.
  });
}
