// Propose the reader's own time zone in a form that does not show one. Without it the digest's own zone is taken.
"use strict";
const field = document.querySelector("input[data-zone]");
if (field && !field.value) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone.includes("/") && !zone.startsWith("Etc/")) {
    field.value = zone;
  }
}
