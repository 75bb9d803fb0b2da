// page.mjs PACKAGES PAGE REPORT.json: opens a page of `escapement html` in Chromium and tests it like a user.
// Prints TAP. REPORT.json is `report --format json` of the same profile.
import { readFileSync } from "node:fs";
import { openPage, runTests, same, sidewaysScroll, test, testAccess } from "./browser.mjs";

const [, page, reportFile] = process.argv.slice(2);
const report = JSON.parse(readFileSync(reportFile, "utf8"));
const open = (options = {}, hash = "") => openPage(page, options, hash);

// A heap snapshot shows one moment: its rows are objects in use, and it has no values of a recording.
const snapshot = report.schema.startsWith("escapement.heap/");
const objects = snapshot ? {key: "inuse_objects", name: "objects in use"} : {key: "objects", name: "objects"};
const bytes = snapshot ? {key: "inuse_bytes", name: "bytes in use"} : {key: "bytes", name: "bytes"};

async function column(tab, name) {
	const heads = await tab.locator("#work-table thead th").allInnerTexts();

	return heads.findIndex(text => text.trim() === name) + 1;
}

async function values(tab, name) {
	const at = await column(tab, name);

	return tab.locator(`#work-table tbody td:nth-child(${at})`).evaluateAll(cells => cells.map(cell => Number(cell.dataset.value)));
}

// What the report says of each source line: its rows, whose sum the page shows.
function reportLines() {
	const lines = new Map();

	for (const row of report.rows) {
		const key = row.file && row.line ? `${row.file}:${row.line}` : lines.size;

		lines.set(key, [...lines.get(key) ?? [], row]);
	}
	return [...lines.values()];
}

function sum(rows, key) {
	return rows.reduce((total, row) => total + (row[key] ?? 0), 0);
}

test("the line with the most bytes comes first", async () => {
	const {tab, close} = await open();

	same((await values(tab, bytes.name))[0], Math.max(...reportLines().map(rows => sum(rows, bytes.key))), bytes.name);
	await close();
});

test("a line of several sites has their sum, and opens to them", async () => {
	const {tab, trouble, close} = await open();
	const folded = await tab.evaluate(() => data.has_verdicts ? [] : workLists[0].lines.filter(line => line.rows.length > 1).map(line =>
		[`${line.file}:${line.line}`, line.rows.length, line.values, line.id]));
	const keys = await tab.evaluate(() => data.measures.map(measure => measure.key));

	for (const [place, count, numbers] of folded) {
		const rows = report.rows.filter(row => `${row.file}:${row.line}` === place);

		same(count, rows.length, place);
		same(numbers.map(value => value ?? 0), keys.map(key => sum(rows, key)), place);
	}
	if (folded.length) {
		const id = folded[0][3], before = await tab.locator("#work-table tbody tr").count();

		await tab.evaluate(wanted => { workLists[0].shown = workLists[0].lines.length; workLists[0].open.add(wanted); workLists[0].draw(); }, id);
		same(await tab.locator("#work-table tbody tr.member").count(), folded[0][1], "rows of the line");
		same(await tab.locator(`#${id} button`).getAttribute("aria-expanded"), "true", "expanded");
		same(before > 0, true, "lines");
	}
	same(await tab.evaluate(() => workLists[0].lines.reduce((total, line) => total + line.rows.length, 0)), report.rows.length, "rows");
	same(trouble, [], "trouble");
	await close();
});

test("what no line of the program allocates is one line, and the last", async () => {
	const {tab, close} = await open();
	const row = (id, verdict, size) => ({id, verdict, file: `${id}.go`, line: 1, values: data.measures.map(() => size)});

	same(await tab.evaluate(`(() => {
		const row = ${row.toString()};
		const lines = linesOf([row("a", "outside", 9), row("b", "escapes", 1), row("c", "outside", 8)]);

		return workLists[0].sorted(lines, {get: line => line.values[0]}, -1).map(line => [line.verdict, line.rows.length, line.values[0]]);
	})()`), [["escapes", 1, 1], ["outside", 2, 17]], "lines");
	await close();
});

test("every number of the work list is the report's", async () => {
	const {tab, trouble, close} = await open();
	const rows = await tab.evaluate(() => data.rows.map(row => [row.function, row.file, row.line, row.values]));
	const wanted = new Map(report.rows.map(row => [`${row.function} ${row.file}:${row.line}`, row]));
	const measures = await tab.evaluate(() => data.measures.map(measure => measure.key));

	same(rows.length, report.rows.length, "rows");
	for (const [name, file, line, numbers] of rows) {
		const row = wanted.get(`${name} ${file}:${line}`);

		same(numbers, measures.map(key => row[key]), `${name} ${file}:${line}`);
	}
	same(await values(tab, objects.name), (await tab.evaluate(wanted => workLists[0].chosen().slice(0, rowsAtATime).map(row =>
		row.values[data.measures.findIndex(measure => measure.key === wanted)]), objects.key)), "shown objects");
	same(trouble, [], "trouble");
	await close();
});

test("the flame graph's root is the sum of the rows", async () => {
	const {tab, close} = await open();

	for (const [index, key] of (await tab.evaluate(() => data.measures.map(measure => measure.key))).entries()) {
		const sum = report.rows.reduce((total, row) => total + (row[key] ?? 0), 0);

		same(await tab.evaluate(measure => callTree.sum(measure)[0], index), sum, key);
		same(await tab.evaluate(measure => callTree.inverted().sum(measure)[0], index), sum, `${key}, inverted`);
	}
	await close();
});

test("a click on a heading sorts, another one reverses", async () => {
	const {tab, close} = await open();
	const heading = tab.locator("#work-table thead th button", {hasText: new RegExp(`^${objects.name}$`)});

	await heading.click();
	const descending = await values(tab, objects.name);
	same(descending, [...descending].sort((a, b) => b - a), "descending");
	await heading.click();
	const ascending = await values(tab, objects.name);
	same(ascending, [...ascending].sort((a, b) => a - b), "ascending");
	await close();
});

test("typing filters", async () => {
	const {tab, close} = await open();
	const wanted = report.rows[0].function;

	await tab.locator("#work-filter").fill(wanted);
	const left = await tab.locator("#work-table tbody tr").allInnerTexts();
	const total = report.rows.filter(row => `${row.function}`.toLowerCase().includes(wanted.toLowerCase())).length;
	same(left.length >= 1 && left.length <= Math.max(total, 100), true, "rows left");
	await tab.locator("#work-filter").fill("no such thing anywhere");
	same(await tab.locator("#work-table tbody tr").count(), 0, "rows left");
	await close();
});

test("a row opens with the keyboard, shows its stacks, and leads to the flame graph", async () => {
	const {tab, trouble, close} = await open();

	await tab.locator("#work-table tbody button.open").first().focus();
	await tab.keyboard.press("Enter");
	same(await tab.locator("#work-table tbody button.open").first().getAttribute("aria-expanded"), "true", "expanded");
	if (await tab.locator(".member").count()) { // a line of several sites: its first one
		await tab.locator(".member button.open").first().focus();
		await tab.keyboard.press("Enter");
	}
	await tab.locator(".details summary").first().click();
	const link = tab.locator(".details a", {hasText: "in the flame graph"}).first();
	const node = Number((await link.getAttribute("href")).replace("#frame-", ""));
	await link.click();
	await tab.waitForFunction(wanted => flame.root === wanted, node);
	same(trouble, [], "trouble");
	await close();
});

test("a link to a row opens it, a link to a frame zooms to it", async () => {
	const row = await open({}, "#row-2");
	same(await row.tab.locator("#row-2 button.open").getAttribute("aria-expanded"), "true", "expanded");
	await row.close();
	const frame = await open({}, "#frame-1");
	await frame.tab.waitForFunction(() => flame.root === 1);
	await frame.close();
});

test("searching the flame graph says how much it found", async () => {
	const {tab, close} = await open();

	await tab.locator("#flame").scrollIntoViewIfNeeded();
	await tab.locator("#flame-search").fill(report.rows[0].function);
	await tab.waitForFunction(() => /[1-9][0-9,]* frames/.test(flame.found.textContent));
	await close();
});

test("the plot of size classes draws each measure, internal waste too; growth is drawn", async () => {
	const {tab, trouble, close} = await open();
	const names = await tab.locator("#class-measure option").allInnerTexts();

	same(names.includes("internal waste"), !snapshot, "internal waste can be chosen");
	for (const name of names) {
		await tab.locator("#class-measure").selectOption({label: name});
		same(await tab.locator("#class-plot canvas").getAttribute("aria-label"),
			`${name} by size class; the table below has the numbers`, name);
	}
	if (!snapshot && await tab.evaluate(() => data.growth.bytes.some(bytes => bytes > 0))) {
		await tab.locator("#growth-plot").scrollIntoViewIfNeeded();
		await tab.locator("#growth-plot canvas").waitFor();
	}
	same(trouble, [], "trouble");
	await close();
});

for (const [name, options] of [["light", {colorScheme: "light"}], ["dark", {colorScheme: "dark"}],
		["a telephone", {viewport: {width: 360, height: 740}}]]) {
	test(`axe finds nothing: ${name}`, async () => {
		const {tab, close} = await open(options, "#row-1");

		await tab.locator("#flame").scrollIntoViewIfNeeded();
		await tab.waitForFunction(() => document.querySelector("#flame-chart svg"));
		await testAccess(tab);
		await close();
	});
}

test("an opened row and the list's numbers fit a telephone, and a printed page its paper", async () => {
	const {tab, close} = await open({viewport: {width: 360, height: 740}}, "#row-1");
	const details = await tab.locator(".details").first().boundingBox();

	same(await sidewaysScroll(tab), [], "sideways scroll of tables");
	for (const {name} of [objects, bytes]) {
		const cell = await tab.locator(`#work-table tbody td:nth-child(${await column(tab, name)})`).first().boundingBox();

		same(cell?.width > 0 && cell.x + cell.width <= 360, true, `${name} are in sight`);
	}
	same(details.x >= 0 && details.x + details.width <= 360, true, `from ${details.x}, ${details.width} wide`);
	await tab.setViewportSize({width: 718, height: 1000}); // A4, less Chromium's margins
	await tab.emulateMedia({media: "print"});
	same(await sidewaysScroll(tab), [], "what is cut off, in pixels");
	await close();
});

test("a page that is printed at once has its plots", async () => {
	const {tab, close} = await open({viewport: {width: 1280, height: 200}});

	same(await tab.locator("#classes canvas").count(), 0, "plots that nobody came near");
	await tab.pdf();
	same(await tab.locator("#classes canvas").count(), await tab.locator("#classes").count(), "plots in print");
	await close();
});

test("without scripts the tables are there", async () => {
	const {tab, close} = await open({javaScriptEnabled: false});

	same(await tab.locator("#work table tbody tr").count() > 0, true, "rows");
	same(await tab.locator("#classes table tbody tr").count() > 0, true, "classes");
	await close();
});

await runTests();
