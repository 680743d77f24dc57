(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var drawn = [];

  function template() {
    var css = getComputedStyle(document.documentElement);
    var text = css.getPropertyValue("--text").trim();
    var line = css.getPropertyValue("--line").trim();
    var axis = { gridcolor: line, zerolinecolor: line, linecolor: line, ticks: "outside", ticklen: 4, tickcolor: "rgba(0,0,0,0)" };
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

  function drawOnce(box) {
    if (drawn.indexOf(box) < 0 && box.offsetParent !== null) { drawn.push(box); draw(box); link(box); }
  }

  // Charts of one link group mark the same item (a point's id) together.
  var relaying = false;
  function others(box) {
    return drawn.filter(function (o) { return o !== box && o.layout.meta && o.layout.meta.link === box.layout.meta.link; });
  }
  function relay(box, work) {
    if (relaying) { return; }
    relaying = true;
    others(box).forEach(work);
    relaying = false;
  }
  function link(box) {
    if (!box.layout.meta || !box.layout.meta.link) { return; }
    box.on("plotly_hover", function (event) {
      var id = event.points[0].id;
      relay(box, function (other) {
        other.data.forEach(function (trace, curve) {
          var point = (trace.ids || []).indexOf(id);
          if (point >= 0) { Plotly.Fx.hover(other, [{ curveNumber: curve, pointNumber: point }]); }
        });
      });
    });
    box.on("plotly_unhover", function () { relay(box, function (other) { Plotly.Fx.unhover(other); }); });
  }

  function charts(root) { return Array.prototype.slice.call(root.querySelectorAll(".chart")); }

  // What is in view is drawn at once, the rest while nothing else is to do: a page with many charts opens quickly.
  var seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) { if (entry.isIntersecting) { drawOnce(entry.target); } });
  }, { rootMargin: "200px 0px" });
  charts(document).forEach(function (box) { seen.observe(box); });

  function later(work) { if (window.requestIdleCallback) { requestIdleCallback(work); } else { setTimeout(work, 50); } }
  function drawRest() {
    var next = charts(document).find(function (box) { return drawn.indexOf(box) < 0 && box.offsetParent !== null; });
    if (next) { drawOnce(next); later(drawRest); }
  }
  window.addEventListener("load", function () { later(drawRest); });

  document.querySelectorAll("details").forEach(function (details) {
    details.addEventListener("toggle", function () { if (details.open) { charts(details).forEach(drawOnce); } });
  });
  window.addEventListener("beforeprint", function () { charts(document).forEach(drawOnce); });
  dark.addEventListener("change", function () { drawn.forEach(draw); });
})();
