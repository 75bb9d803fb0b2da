// Plots the growth of the heap during the recording, as a running sum.
function plotGrowth(section, growth) {
	const place = make("div", {id: "growth-plot"});
	const seconds = growth.interval_ns / 1e9;
	const times = [0], sums = [0];

	for (const bytes of growth.bytes) {
		times.push(times.length * seconds);
		sums.push(sums.at(-1) + bytes);
	}

	function draw() {
		place.replaceChildren();
		new vendor.uPlot({
			width: Math.max(300, section.clientWidth), height: 220, legend: {show: false}, cursor: {drag: {x: false, y: false}},
			scales: {x: {time: false}, y: {range: (plot, low, high) => [0, high || 1]}},
			axes: [{...plotAxis(), values: (plot, splits) => splits.map(value => `${value} s`)},
				{...plotAxis(), size: 80, values: (plot, splits) => splits.map(bytesText)}],
			series: [{}, {label: "grown", stroke: pageColour("--link"), fill: pageColour("--bar"), width: 2,
				paths: vendor.uPlot.paths.stepped({align: -1}), points: {show: false}}],
		}, [times, sums], place);
		namePlot(place, "growth of the heap over time; the table below has the numbers");
	}

	section.querySelector("h2").after(place);
	whenNear(section, () => {
		addEventListener("resize", draw);
		draw();
	});
}
