// All scripts of the page are ASCII: after a single other character, browsers take three times as long to decode what
// follows.
"use strict";

// The page's data (page.h describes the document), and the functions that all its parts share.
const data = JSON.parse(document.getElementById("data").textContent);

const wholeNumber = new Intl.NumberFormat("en");

function countText(value) {
	return value === null || value === undefined ? "-" : wholeNumber.format(value);
}

function bytesText(value) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
	let unit = 0;

	if (value === null || value === undefined)
		return "-";
	while (Math.abs(value) >= 1024 && unit + 1 < units.length) {
		value /= 1024;
		unit++;
	}
	return unit ? `${value.toFixed(1)} ${units[unit]}` : `${value} B`;
}

// A gate is about single bytes: its page shows them as they are.
function measureText(measure, value) {
	return measure.bytes && !data.exact_bytes ? bytesText(value) : countText(value);
}

// "+12 (+3 %)"; null if nothing changed, or a side is not known.
function changeText(measure, before, after) {
	const change = after - before, percent = before > 0 ? Math.abs(100 * change / before) : 0;
	const sign = change < 0 ? "\u2212" : "+";

	if (before === null || after === null || before === undefined || after === undefined || change === 0)
		return null;
	return sign + measureText(measure, Math.abs(change)) +
		(percent ? ` (${sign}${percent >= 9.5 ? wholeNumber.format(Math.round(percent)) : percent.toPrecision(2)} %)` : "");
}

// Creates an element. Attributes whose names begin with "on" are event listeners; children are elements or text, never
// markup.
function make(name, attributes = {}, ...children) {
	const element = document.createElement(name);

	for (const [key, value] of Object.entries(attributes)) {
		if (key.startsWith("on"))
			element.addEventListener(key.slice(2), value);
		else if (value !== null && value !== false)
			element.setAttribute(key, value === true ? "" : value);
	}
	element.append(...children.filter(child => child !== null));
	return element;
}

function makeSvg(name, attributes = {}, ...children) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", name);

	for (const [key, value] of Object.entries(attributes))
		element.setAttribute(key, value);
	element.append(...children);
	return element;
}

// Calls a function once, when the reader comes near a part of the page, or prints all of it.
function whenNear(section, draw) {
	const observer = new IntersectionObserver(entries => entries.some(entry => entry.isIntersecting) && once(), {rootMargin: "400px"});

	function once() {
		observer.disconnect();
		removeEventListener("beforeprint", once);
		draw();
	}

	observer.observe(section);
	addEventListener("beforeprint", once);
}

// Shortens a path by its leading folders, which say least.
function shortFile(file) {
	const parts = (file ?? "").split("/");

	return parts.length > 4 ? `\u2026/${parts.slice(-3).join("/")}` : file;
}

function frameText(frame) {
	const [name, file, line] = data.frames[frame];

	return file ? `${name} ${file}:${line}` : name;
}

// A bar below a number, which shows its share of a total. Its width is set through the object model, because the page's
// content security policy forbids style attributes.
function shareBar(part, whole) {
	const bar = make("span", {class: "share", "aria-hidden": "true"});

	bar.style.width = `${Math.min(100, whole > 0 ? 100 * part / whole : 0)}%`;
	return bar;
}
