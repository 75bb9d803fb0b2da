// Plots the size classes, as bars of one measure at a time. Has the functions that all plots share, too.
function pageColour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function plotAxis() {
	const line = {stroke: pageColour("--line"), width: 1};

	return {stroke: pageColour("--ink"), grid: line, ticks: line};
}

// Describes a plot to screen readers.
function namePlot(place, text) {
	place.querySelector("canvas").setAttribute("role", "img");
	place.querySelector("canvas").setAttribute("aria-label", text);
}

function plotClasses(section) {
	const place = make("div", {id: "class-plot"});
	const measures = data.class_measures;
	const choose = make("select", {id: "class-measure", onchange: () => draw()},
		...measures.map((measure, index) => make("option", {value: String(index)}, measure.name)));

	function draw() {
		const measure = measures[Number(choose.value)];
		const axis = plotAxis(), bar = pageColour("--bar");

		place.replaceChildren();
		new vendor.uPlot({
			width: Math.max(300, section.clientWidth), height: 260, legend: {show: false}, cursor: {drag: {x: false, y: false}},
			scales: {x: {time: false, range: [-1, data.classes.length]}, y: {range: (plot, low, high) => [0, high || 1]}},
			axes: [{...axis, splits: () => data.classes.map((each, index) => index), rotate: -60, size: 90, space: 10,
				values: (plot, splits) => splits.map(index => index % Math.ceil(data.classes.length * 16 / plot.width) ? ""
					: data.classes[index]?.name ?? "")},
				{...axis, size: 80, values: (plot, splits) => splits.map(value => measureText(measure, value))}],
			series: [{}, {label: measure.name, stroke: bar, fill: bar, paths: vendor.uPlot.paths.bars({size: [0.7, 60]}), points: {show: false}}],
		}, [data.classes.map((each, index) => index), data.classes.map(each => each.values[Number(choose.value)])], place);
		namePlot(place, `${measure.name} by size class; the table below has the numbers`);
	}

	section.querySelector("h2").after(make("div", {class: "tools"}, make("label", {}, "Plot", choose)), place);
	whenNear(section, () => {
		addEventListener("resize", draw);
		draw();
	});
}
