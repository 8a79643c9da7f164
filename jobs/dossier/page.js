"use strict";
for (const table of document.querySelectorAll("table.sort")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const of = row => row.cells[at].dataset.v ?? row.cells[at].textContent;
      const number = head.classList.contains("n");
      const order = (a, b) => number
        ? (a === "") - (b === "") || down * (Number(a) - Number(b))
        : down * a.localeCompare(b, undefined, { numeric: true });
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
      body.append(...[...body.rows].sort((a, b) => order(of(a), of(b))));
    });
  });
}
