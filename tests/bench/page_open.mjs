// page_open.mjs PACKAGES PAGE: opens a page in a fresh Chromium, several times. Prints JSON, in seconds: from navigation to a
// page that answers (all scripts have run, the first rows are painted); to one that has read its stacks, also in CPU time
// of the page's thread; to a drawn flame graph after scrolling to it; from a key in the filter to the filtered table.
import { createRequire } from "node:module";

const [packages, page] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { chromium } = require("playwright-core");
const rounds = 3;
const results = [];

for (let round = 0; round < rounds; round++) {
	const browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});
	const tab = await browser.newPage({viewport: {width: 1280, height: 900}});

	const debug = await tab.context().newCDPSession(tab);
	await debug.send("Performance.enable", {timeDomain: "threadTicks"});
	await tab.goto(`file://${page}`, {waitUntil: "load", timeout: 120000});
	const open = await tab.evaluate(() => new Promise(done =>
		requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000)))));
	const whole = await tab.evaluate(() => treeRead.then(() => performance.now() / 1000));
	const {metrics} = await debug.send("Performance.getMetrics");
	const cpu = metrics.find(metric => metric.name === "TaskDuration").value;
	const flameGraph = await tab.evaluate(() => new Promise(done => {
		const begin = performance.now(), chart = document.getElementById("flame-chart");
		const look = () => chart.querySelector("svg") ? done((performance.now() - begin) / 1000) : requestAnimationFrame(look);

		chart.scrollIntoView();
		look();
	}));
	const filter = await tab.evaluate(() => new Promise(done => {
		const begin = performance.now(), input = document.querySelector(".tools input[type=search]");

		input.value = "f1";
		input.dispatchEvent(new Event("input"));
		requestAnimationFrame(() => setTimeout(() => done((performance.now() - begin) / 1000)));
	}));
	results.push({open, whole, cpu, flame: flameGraph, filter});
	await browser.close();
}
results.sort((a, b) => a.open - b.open);
console.log(JSON.stringify(results[Math.floor(rounds / 2)]));
