// What the tests of pages share: Chromium, a page that is opened in it, TAP.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [packages] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
// Milliseconds that a step may take: a browser on a busy machine is slow.
const timeout = 120_000;
const browser = await chromium.launch({executablePath: "/usr/bin/chromium", timeout,
	args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]});
const tests = [];

export function test(name, run) {
	tests.push([name, run]);
}

export function same(got, wanted, what) {
	if (JSON.stringify(got) !== JSON.stringify(wanted))
		throw new Error(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

// Opens a page. `trouble` collects everything that must not happen: requests, refused scripts, errors.
export async function openPage(page, options = {}, hash = "") {
	const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
	context.setDefaultTimeout(timeout);
	const tab = await context.newPage();
	const trouble = [];

	tab.on("request", request => request.url().startsWith("file:") || request.url().startsWith("data:") || trouble.push(request.url()));
	tab.on("console", message => ["error", "warning"].includes(message.type()) && trouble.push(message.text()));
	tab.on("pageerror", error => trouble.push(error.message));
	await tab.goto(`file://${page}${hash}`);
	if (options.javaScriptEnabled !== false)
		await tab.evaluate(() => treeRead);
	return {tab, trouble, close: () => context.close()};
}

// Fails if axe finds something, or if the page is wider than its window.
export async function testAccess(tab) {
	// The page's content security policy refuses external scripts, but not those of the debugger.
	await tab.evaluate(axe);
	const found = await tab.evaluate(() => axe.run());

	same(found.violations.map(each => [each.id, each.nodes[0].html.slice(0, 200)]), [], "violations");
	same(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "fits the width");
}

// By how many pixels tables are wider than there is room for.
export async function sidewaysScroll(tab) {
	return tab.locator(".scroll").evaluateAll(tables => tables.map(table => table.scrollWidth - table.clientWidth).filter(more => more > 0));
}

// Runs what test() was given, and ends the process.
export async function runTests() {
	let failed = 0;

	console.log(`1..${tests.length}`);
	for (const [index, [name, run]] of tests.entries()) {
		try {
			await run();
			console.log(`ok ${index + 1} - ${name}`);
		} catch (error) {
			failed++;
			console.log(`not ok ${index + 1} - ${name}\n# ${String(error.message).split("\n").join("\n# ")}`);
		}
	}
	await browser.close();
	process.exit(failed ? 1 : 0);
}
