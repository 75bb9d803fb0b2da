// What the page uses of other people's libraries, bundled by ./bundle into user/render/page/vendor.js.
import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";
import uPlot from "uplot";
import highlight from "highlight.js/lib/core";
import c from "highlight.js/lib/languages/c";
import go from "highlight.js/lib/languages/go";

highlight.registerLanguage("c", c);
highlight.registerLanguage("go", go);

export { flamegraph, select, uPlot, highlight };
