// Every page works without this. It adds: boxes that tick all others, a question before what
// cannot be undone, live numbers, and forms that go out as soon as a choice is made.
"use strict";

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("[data-ticks]")) {
    for (const other of document.querySelectorAll(`input[name="${box.dataset.ticks}"]`)) {
      other.checked = box.checked;
    }
  }
  if (box.matches("[data-submits]") && box.form) box.form.requestSubmit();
});

document.addEventListener("submit", (event) => {
  const words = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (words && !window.confirm(words)) event.preventDefault();
});

// Numbers with data-live="NAME" follow the events of the nearest data-events address.
for (const live of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(live.dataset.events);
  source.onmessage = (event) => {
    const numbers = JSON.parse(event.data);
    for (const place of live.querySelectorAll("[data-live]")) {
      const value = numbers[place.dataset.live];
      if (value !== undefined) place.textContent = Number(value).toLocaleString();
    }
  };
}

// A text with data-checks="ADDRESS" is sent there while it is typed; the answer is a piece of
// page made by the box, shown in the element that data-shows names.
for (const text of document.querySelectorAll("[data-checks]")) {
  const shows = document.getElementById(text.dataset.shows);
  let timer = 0;
  let turn = 0;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++turn;
      const answer = await fetch(text.dataset.checks, {
        method: "POST",
        headers: {
          "Content-Type": "application/x-www-form-urlencoded",
          "X-CSRF-Token": text.form.elements.csrf.value,
        },
        body: new URLSearchParams(new FormData(text.form)),
      });
      if (mine === turn && answer.ok) shows.innerHTML = await answer.text();
    }, 400);
  });
}
