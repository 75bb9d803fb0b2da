// Size classes as a plot: bars of one measure at a time.
function plotClasses(section) {
	const place = make("div", {id: "class-plot"});
	const measures = data.class_measures;
	const choose = make("select", {id: "class-measure", onchange: () => draw()},
		...measures.map((measure, index) => make("option", {value: String(index)}, measure.name)));
	const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
	const bar = getComputedStyle(document.documentElement).getPropertyValue("--bar").trim();
	const line = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();

	function draw() {
		const measure = measures[Number(choose.value)];
		const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};

		place.replaceChildren();
		new vendor.uPlot({
			width: Math.max(300, section.clientWidth), height: 260, legend: {show: false}, cursor: {drag: {x: false, y: false}},
			scales: {x: {time: false, range: [-1, data.classes.length]}, y: {range: (plot, low, high) => [0, high || 1]}},
			axes: [{...axis, splits: () => data.classes.map((each, index) => index), rotate: -60, size: 60, space: 10,
				values: (plot, splits) => splits.map(index => data.classes[index]?.name ?? "")},
				{...axis, size: 80, values: (plot, splits) => splits.map(value => measureText(measure, value))}],
			series: [{}, {label: measure.name, stroke: bar, fill: bar, paths: vendor.uPlot.paths.bars({size: [0.7, 60]}), points: {show: false}}],
		}, [data.classes.map((each, index) => index), data.classes.map(each => each.values[Number(choose.value)])], place);
		place.querySelector("canvas").setAttribute("role", "img");
		place.querySelector("canvas").setAttribute("aria-label", `${measure.name} by size class; the table below has the numbers`);
	}

	section.querySelector("h2").after(make("div", {class: "tools"}, make("label", {}, "Plot", choose)), place);
	addEventListener("resize", draw);
	draw();
}
