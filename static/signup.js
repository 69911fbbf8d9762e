// Compute the proof of work in a worker, from the first touch of the form on, and hold the form back until it is there.
// Where it cannot be computed the form goes without: the server has a small allowance for that.
"use strict";
const proof = document.querySelector("input[data-challenge]");
if (proof && window.Worker) {
  const form = proof.form;
  const told = form.querySelector("[data-proof-status]");
  let started = false;
  let ended = false;
  let pressed = null;

  const end = (worker, solution) => {
    if (worker) worker.terminate();
    if (solution && solution.derivedKey) {
      proof.value = btoa(JSON.stringify({ challenge: JSON.parse(proof.dataset.challenge), solution }));
    }
    ended = true;
    told.textContent = "";
    if (pressed) form.requestSubmit(pressed);
  };
  const start = () => {
    if (started) return;
    started = true;
    let worker = null;
    try {
      worker = new Worker(proof.dataset.worker);
    } catch {
      end(null, null);
      return;
    }
    worker.onmessage = (message) => end(worker, message.data);
    worker.onerror = () => end(worker, null);
    const challenge = JSON.parse(proof.dataset.challenge);
    worker.postMessage({ type: "work", challenge, counterMode: "uint32", counterStart: 0, counterStep: 1 });
  };

  for (const touch of ["focusin", "pointerdown", "input"]) form.addEventListener(touch, start, { once: true });
  form.addEventListener("submit", (event) => {
    if (ended || !event.submitter || event.submitter.hasAttribute("data-needs-no-proof")) return;
    event.preventDefault();
    pressed = event.submitter;
    told.textContent = told.dataset.text;
    start();
  });
}
