"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const holders = [...document.querySelectorAll("[data-figure]")];
const options = { responsive: true, displaylogo: false,  modeBarButtonsToRemove: ["lasso2d", "select2d"] };

function show(metric) {
  document.body.dataset.metric = metric;
  for (const holder of holders) {
    const figure = figures[holder.dataset.figure][metric];
    holder.hidden = !figure;
    if (figure) Plotly.react(holder, figure.data, figure.layout, options);
  }
}

for (const input of document.querySelectorAll("input[name=metric]")) {
  input.addEventListener("change", () => show(input.value));
}

document.getElementById("download").addEventListener("click", () => {
  const text = document.getElementById("trials").textContent.replaceAll("<\\/", "</");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${document.querySelector("h1").textContent}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
});

window.addEventListener("beforeprint", () => holders.forEach((holder) => Plotly.Plots.resize(holder)));
window.addEventListener("afterprint", () => holders.forEach((holder) => Plotly.Plots.resize(holder)));
show(document.body.dataset.metric);
