"use strict";
// Filters of the examples: without this script they stay hidden, and all examples can be read.
const form = document.querySelector("form.filters");
if (form) {
  const items = [...document.querySelectorAll("#examples li[data-errors]")];
  const chosen = (name) => form.elements[name].value;
  const show = () => {
    const wanted = ["model", "kind", "label"].map(chosen);
    const fits = (error) => error.split(".").every((part, place) => wanted[place] === "" || wanted[place] === part);
    let count = 0;
    for (const item of items) {
      item.hidden = !item.dataset.errors.split(" ").some(fits);
      count += !item.hidden;
    }
    const filtered = wanted.some((value) => value !== "");
    const rest = document.querySelector("#examples details");
    if (rest && filtered) rest.open = true;
    form.querySelector(".count").textContent = `${count} of ${items.length} shown`;
  };
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}
