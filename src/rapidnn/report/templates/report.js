(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var drawn = [];

  function template() {
    var css = getComputedStyle(document.documentElement);
    var text = css.getPropertyValue("--text").trim();
    var line = css.getPropertyValue("--line").trim();
    var axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line };
    return {
      layout: {
        font: { color: text, family: getComputedStyle(document.body).fontFamily, size: 12 },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        xaxis: axis, yaxis: axis, bargap: 0.25,
        margin: { l: 50, r: 15, t: 30, b: 45 },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: css.getPropertyValue("--soft").trim(), activecolor: text },
        legend: { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom", traceorder: "normal" },
        hoverlabel: { namelength: -1 }
      }
    };
  }

  function draw(box) {
    var spec = JSON.parse(document.getElementById(box.id + "-spec").textContent);
    spec.layout.template = template();
    Plotly.react(box, spec.data, spec.layout, {
      responsive: true, displaylogo: false,
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]
    });
  }

  function drawIn(root) {
    root.querySelectorAll(".chart").forEach(function (box) {
      if (drawn.indexOf(box) < 0 && box.offsetParent !== null) { drawn.push(box); draw(box); }
    });
  }

  document.querySelectorAll("details").forEach(function (details) {
    details.addEventListener("toggle", function () { if (details.open) { drawIn(details); } });
  });
  dark.addEventListener("change", function () { drawn.forEach(draw); });
  drawIn(document);
})();
