// gate.mjs PACKAGES RESULT PAGE...: opens pages of `gate` or `compare` in Chromium and tests them like a reviewer. Prints TAP.
// RESULT is `--format json` of the same.
import { readFileSync } from "node:fs";
import { openPage, runTests, same, sidewaysScroll, test, testAccess } from "./browser.mjs";

const [, resultFile, ...pages] = process.argv.slice(2);
const result = JSON.parse(readFileSync(resultFile, "utf8"));
const text = number => number === null ? "-" : new Intl.NumberFormat("en").format(number);

function keyOf(row) {
	return [row.function, row.via, row.runtime_call ?? row.call, row.type, row.file].map(each => each ?? null).join("\n");
}

const wanted = new Map(result.rows.map(row => [keyOf(row), row]));

// In the page: all rows, each with its list and what its cells say.
function shownRows() {
	for (const list of workLists) {
		list.shown = list.lines.length;
		list.draw();
	}
	for (const each of document.querySelectorAll("details"))
		each.open = true;
	return data.rows.map(row => ({row, list: data.lists.find(list => row.id.slice(4) - 1 < list.first + list.count).id,
		cells: [...document.getElementById(row.id).querySelectorAll("td.number")].map(cell =>
			({value: cell.dataset.value, before: cell.dataset.before, lines: cell.innerText.split("\n")}))}));
}

function testRow({row, list, cells}, keys) {
	const is = wanted.get(keyOf(row)), name = row.function.slice(-40);
	const [after, before] = [is.after, is.before].map(side => keys.map(key => side === null ? 0 : side[key]));
	const lists = {better: "better", gone: "better", same: "same"};

	same([row.values, row.before], [after, before], name);
	same(cells.map(cell => [Number(cell.value), Number(cell.before)]), keys.map((key, index) => [after[index], before[index]]), `cells, ${name}`);
	same(cells.map(cell => cell.lines), keys.map((key, index) => {
		const change = after[index] - before[index];

		return [text(after[index]), `before ${text(before[index])}`, ...(change ? [cells[index].lines[2].match(
			change > 0 ? `^\\+${text(change)}( |$).*` : `^\u2212${text(-change)}( |$).*`)?.[0]] : [])];
	}), `text, ${name}`);
	same(list, is.fails ? "fails" : lists[is.change], `list, ${name}`);
}

// Each page is opened once, in one of these looks: they have the same parts.
const looks = [{colorScheme: "light", width: 1280}, {colorScheme: "dark", width: 360}];

for (const [index, page] of pages.entries()) {
	const name = page.split("/").pop(), {colorScheme, width} = looks[index % looks.length];
	const opened = openPage(page, {colorScheme}, `#row-${result.rows.length}`);

	test(`${name}: a link opens its row, in a folded list too; typing filters`, async () => {
		const {tab, trouble} = await opened, last = result.rows.length;

		same(await tab.locator(`#row-${last} button.open`).getAttribute("aria-expanded"), "true", "expanded");
		same(await tab.locator(`#row-${last}`).isVisible(), true, "in sight");
		await tab.locator("#same-filter").fill("same7");
		same(await tab.locator("#same-table tbody tr[id]").count(), 1, "filtered");
		await tab.locator("#same-filter").fill("");
		same(trouble, [], "trouble");
	});

	test(`${name}: each row is shown with the numbers of the JSON, in the list that it belongs to`, async () => {
		const {tab, trouble} = await opened;
		const rows = await tab.evaluate(shownRows);
		const keys = await tab.evaluate(() => data.measures.map(measure => measure.key));

		same(rows.length, result.rows.length, "rows");
		same(keys, ["objects", "bytes"], "columns");
		for (const row of rows)
			testRow(row, keys);
		same(trouble, [], "trouble");
	});

	test(`${name}: a row opens with the keyboard: its line, before and after, and the stacks that are its number`, async () => {
		const {tab, trouble} = await opened;
		const button = tab.locator("#fails-table tbody button.open").first();

		await button.focus();
		await tab.keyboard.press("Enter");
		same(await button.getAttribute("aria-expanded"), "true", "expanded");
		const row = await tab.evaluate(() => data.rows[0]);
		same(await tab.locator("#fails .source .at .margin").allInnerTexts(), [`${text(row.before[0])} \u2192 ${text(row.values[0])}`,
			`${text(row.before[1])} \u2192 ${text(row.values[1])}`, String(row.line)], "margin");
		for (const side of ["values", "before"])
			same(await tab.evaluate(which => data.measures.map((measure, index) => callTree.leaves[which][index]
				.reduce((sum, value, leaf) => sum + (isBehind(leaf, data.rows[0]) ? value : 0), 0)), side), row[side], `stacks, ${side}`);
		await tab.locator("#fails .details summary").first().click();
		await tab.locator("#fails .details a", {hasText: "in the flame graph"}).first().click();
		await tab.waitForFunction(() => flame.root > 0);
		same(trouble, [], "trouble");
	});

	test(`${name}: axe finds nothing, and nothing scrolls sideways: ${colorScheme}, ${width} pixels`, async () => {
		const {tab, close} = await opened;

		await tab.setViewportSize({width, height: 900});
		await tab.locator("#flame").scrollIntoViewIfNeeded();
		await tab.waitForFunction(() => document.querySelector("#flame-chart svg"));
		await testAccess(tab);
		same(await sidewaysScroll(tab), [], "sideways scroll");
		await tab.setViewportSize({width: 718, height: 1000}); // A4, less Chromium's margins
		await tab.emulateMedia({media: "print"});
		same(await sidewaysScroll(tab), [], "what is cut off in print, in pixels");
		await close();
	});
}

await runTests();
