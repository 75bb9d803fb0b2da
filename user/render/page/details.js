// The details below an open row of the work list: the compiler's messages and reasons, the inline chain, the source, the
// stacks.
const stacksShown = 20;

function annotationDetails(annotation) {
	const where = `${annotation.file}:${annotation.line}${annotation.column ? `:${annotation.column}` : ""}`;
	const parts = [make("p", {}, make("span", {class: "code"}, `${where}: `),
		annotation.message + (annotation.callee ? " (at the callee's own line)" : ""))];

	if (annotation.flow?.length)
		parts.push(flowGraph(annotation.flow));
	if (/~r\d/i.test(JSON.stringify(annotation)))
		parts.push(make("p", {class: "soft"}, data.result_words));
	return parts;
}

// Draws the flow that the compiler prints with -m=2, from the allocated value to the heap: a box for each location, an
// arrow for each edge.
function flowGraph(flow) {
	const boxes = [flow[0].from, ...flow.map(edge => edge.to)];
	const labels = flow.map(edge => edge.steps.map(step =>
		`${step.reason}: ${step.expression}${step.line ? ` (${step.file.split("/").pop()}:${step.line})` : ""}`));
	const widest = Math.max(...boxes.map(text => text.length), ...labels.flat().map(text => text.length + 4));
	const width = Math.min(1200, 40 + widest * 7.6), box = 26, step = 18;
	const graph = makeSvg("svg", {class: "flow", role: "img", "aria-label": `flow: ${boxes.join(" \u2192 ")}`});
	let y = 4;

	boxes.forEach((text, index) => {
		const heap = text === "{heap}";

		graph.append(makeSvg("g", {class: heap ? "heap" : ""},
			makeSvg("rect", {x: 4, y, width: 24 + text.length * 7.6, height: box, rx: 4}),
			makeSvg("text", {x: 14, y: y + 17}, text)));
		y += box;
		if (index < flow.length) {
			const height = Math.max(1, labels[index].length) * step + 8;

			graph.append(makeSvg("path", {d: `M18 ${y} v${height - 2} m-4 -6 l4 6 l4 -6`}));
			labels[index].forEach((label, at) =>
				graph.append(makeSvg("text", {class: "why", x: 34, y: y + 17 + at * step}, label)));
			y += height;
		}
	});
	graph.setAttribute("viewBox", `0 0 ${width} ${y + 4}`);
	graph.setAttribute("width", width);
	return graph;
}

function inlineChain(row) {
	if (!row.inlined_at?.length)
		return null;
	return make("div", {}, make("h3", {}, "Inlined into"),
		make("ol", {class: "code"}, ...row.inlined_at.map(frame =>
			make("li", {}, `${frame.function} ${frame.file}:${frame.line}`))));
}

// Sums up, for each line of a file, the values and messages of all its rows: of those in the benchmark of a row, if there are
// several.
function lineMargins(of) {
	const margins = new Map();

	for (const row of data.rows) {
		if (row.file !== of.file || row.benchmark !== of.benchmark || !row.values || row.gone)
			continue;
		const line = margins.get(row.line) ?? {rows: [], words: new Set()};

		line.rows.push(row);
		if (row.words)
			line.words.add(row.words);
		margins.set(row.line, line);
	}
	for (const line of margins.values())
		for (const member of ["values", "before"])
			[line[member], line[`${member}_without`]] = [sumOf(line.rows, member), withoutOf(line.rows, member)];
	return margins;
}

// "200 \u2192 201" if there is an older side that differs; a narrow screen has no room for it.
function marginText(index, line) {
	const [was, is] = ["before", "values"].map(member => measureText(data.measures[index], line[member][index]) +
		(line[member][index] !== null && line[`${member}_without`][index] ? ".." : ""));

	return line.before[index] === null || was === is ? [is] : [make("span", {class: "wide"}, `${was} \u2192 `), is];
}

function sourceDetails(row) {
	const source = (row.gone ? data.sources_before : data.sources)?.[row.file];
	const language = /\.go$/.test(row.file ?? "") ? "go" : "c";

	if (!row.file)
		return null;
	if (row.gone && !source)
		return make("p", {class: "soft"}, `Only the older side has this. Its source of then is not in this page.`);
	if (!source)
		return make("p", {class: "soft"}, data.sources_left_out ? "Source was left out of this page (--no-source)."
			: `The source of ${row.file} was not found when this page was made.`);
	const margins = lineMargins(row);
	const [objects, bytes] = [false, true].map(size => data.measures.findIndex(measure => isChief(measure) && measure.bytes === size));
	const lines = source.filter(([number]) => Math.abs(number - row.line) <= 8).map(([number, text]) => {
		const margin = margins.get(number), code = make("span", {class: "code"});

		// Safe, because the highlighter escapes the source text. No other script of the page inserts markup.
		code.innerHTML = vendor.highlight.highlight(text, {language, ignoreIllegals: true}).value;
		return make("div", {class: number === row.line ? "at" : ""},
			make("span", {class: "margin"}, ...(margin && objects >= 0 ? marginText(objects, margin) : [])),
			make("span", {class: "margin"}, ...(margin && bytes >= 0 ? marginText(bytes, margin) : [])),
			make("span", {class: "margin"}, String(number)), code,
			...(margin ? [...margin.words].map(words => make("span", {class: "said"}, words)) : []));
	});

	return make("div", {}, make("h3", {}, `${row.file}`),
		make("p", {class: "soft"}, [objects, bytes].filter(index => index >= 0).map(index => data.measures[index].name).concat("line").join(", ") +
			(data.has_before ? "; before \u2192 after where it changed" : "")),
		make("div", {class: "source", tabindex: "0", role: "group", "aria-label": `source around ${row.file}:${row.line}`}, ...lines));
}

// Whether a stack belongs to a row: the row's owner is the owner or the allocating function of the stack, and the row's
// `via`, if it has one, is the allocating function.
// A row of a gate is one or more sites, whose numbers leaves have instead of an owner; a contract's stacks have a certain frame.
function isBehind(leaf, row) {
	const {owner, allocating, node} = callTree.leaves;

	if (row.stacks || row.below)
		return (!row.stacks || row.stacks.includes(owner[leaf])) &&
			(!row.allocating || row.allocating.includes(allocating[leaf])) &&
			(!row.below || callTree.path(node[leaf]).some(each => row.below.includes(callTree.frame[each])));

	if (owner[leaf] !== (row.owner ?? -1) && allocating[leaf] !== row.owner)
		return false;
	return row.via ? allocating[leaf] >= 0 && data.frames[allocating[leaf]][0] === row.via : true;
}

// "12 objects, 1.5 KiB"
function stackText(columns, leaf) {
	return data.measures.map((measure, index) => columns[index][leaf] > 0 &&
		[measureText(measure, columns[index][leaf]), unitText(measure, columns[index][leaf])].filter(Boolean).join(" ")).filter(Boolean).join(", ");
}

// What stands behind a number: nothing if that has a unit.
function unitText(measure, value) {
	if (measure.bytes && !data.exact_bytes)
		return measure.name.replace(/^bytes ?/, "");
	return value === 1 ? measure.name.replace(/^(\w+)s\b/, "$1") : measure.name;
}

function stacksBehind(row) {
	if (!callTree)
		return make("p", {class: "soft"}, "Reading the stacks\u2026");
	const {node, values, before} = callTree.leaves, leaves = [];
	const main = Math.max(0, data.measures.findIndex(measure => measure.key === data.main));
	const weigh = leaf => Math.abs(values[main][leaf] - (before?.[main][leaf] ?? 0));
	const sides = before ? [...values, ...before] : values;

	for (let leaf = 0; leaf < node.length; leaf++)
		if (isBehind(leaf, row) && sides.some(each => each[leaf] > 0))
			leaves.push(leaf);
	if (leaves.length === 0)
		return null;
	leaves.sort((a, b) => weigh(b) - weigh(a));
	return make("div", {}, make("h3", {}, `Stacks behind it: ${countText(leaves.length)}`),
		...leaves.slice(0, stacksShown).map(leaf => make("details", {},
			make("summary", {}, [stackText(values, leaf), before && `before ${stackText(before, leaf) || (data.sampled_before ? "no sample" : "none")}`].filter(Boolean).join("; ") ),
			make("p", {}, make("a", {href: `#frame-${node[leaf]}`}, "in the flame graph")),
			make("ol", {class: "stack code"}, ...callTree.path(node[leaf]).map(each =>
				make("li", {}, frameText(callTree.frame[each])))))),
		leaves.length > stacksShown ? make("p", {class: "soft"}, `${countText(leaves.length - stacksShown)} more are in the flame graph.`) : null);
}

// What the columns say that a narrow screen has no room for.
function hiddenColumns(row) {
	const parts = [callText(row), ...data.measures.map((measure, index) => !isChief(measure) &&
		row.values?.[index] > 0 && `${measureText(measure, row.values[index])} ${unitText(measure, row.values[index])}`)];

	return parts.some(Boolean) ? make("p", {class: "narrow"}, parts.filter(Boolean).join(", ")) : null;
}

// What the compiler said, with its reasons where they are known; before, too, where that differs.
function saidOf(row) {
	const now = row.annotations?.length ? row.annotations.flatMap(annotationDetails)
		: data.about !== "profile" && row.words ? [make("p", {}, row.words)] : [];

	if (row.said_before === undefined)
		return now.length ? [make("h3", {}, "The compiler said"), ...now] : [];
	return [make("h3", {}, "The compiler said before"), make("p", {}, row.said_before ?? "nothing that is known"),
		make("h3", {}, "The compiler says now"), ...(now.length ? now : [make("p", {}, "nothing that is known")])];
}

function rowDetails(row) {
	return make("div", {class: "details"}, hiddenColumns(row),
		row.facts?.length ? make("ul", {}, ...row.facts.map(fact => make("li", {}, fact))) : null,
		...saidOf(row), row.reason ? make("p", {}, row.reason) : null,
		inlineChain(row), sourceDetails(row), stacksBehind(row));
}
